// libxcrypt: crypt(3), crypt(5).
#pragma once

#include <crypt.h>
