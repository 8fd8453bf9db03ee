import Glibc
import Testing

@testable import Access

@Suite struct PasswordHashTests {
  /// Of `secret`, made by htpasswd (apache2-utils 2.4) and mkpasswd (whois 5.5).
  static let hashes = [
    "$2y$05$drILeycgLUeU63XDqwGqDOqflgSDX81mOoSXNR9I/Sufh075r1X9a",
    "$2y$04$PoeCd5nEFf/mDkCV2mmWy.qqhrQwqNqnPqqmoslLiZjRq/TRQpbLy",
    "$2b$05$bjMpt2lJe5bmt0kCrSeCde8eWZewdAHdCXlTXHCqvuG9T4DuUT64C",
    "$2a$05$Gl6vzHEXZ9.bxM0G8kxxM.yKrV/eJqWcMfcJ4smtY9t9y/k5xE4u.",
    "$5$zdSx3V6V/8Sjqyvw$Sy6DQRh5HERCqVmm4svUgYu05KCrO.cPvjzcXytzQM8",
    "$6$68U/svdbi890gkAp$T8QPwx25.Z26/pqsbMa2O4aHi5DqbEf2gZPcg/oXsG3e.tlanAeSa3PSlCOoZB5kb2VdTSfZlAIdVy.GgFWxZ/",
    "$y$j9T$8Xp9ydKlSq4Ss1VXzV4Ed0$Kc.hv2HJibcwurC9xxTyHGpyh4P9kuqGTUQGcKgXJRD",
  ]
  /// The same of `pässwörd` in UTF-8.
  static let accented = "$5$eBhH/.rptfWMfLeM$FJri8MiVpzK92Uk3zhz.fXYleNLAydygxYleEF.41e2"

  static func matches(_ password: String, _ hash: String) throws -> Bool {
    let hash = try PasswordHash(hash.utf8)
    let hasher = PasswordHasher()
    return unsafe password.withCString { unsafe hasher.matches($0, hash) }
  }

  @Test(arguments: hashes) func rightAndWrong(hash: String) throws {
    #expect(try Self.matches("secret", hash))
    for wrong in ["", "Secret", "secre", "secrett", "secret ", hash] {
      #expect(try !Self.matches(wrong, hash), "\(wrong)")
    }
    // Too long for libcrypt.
    #expect(try !Self.matches(String(repeating: "secret", count: 100), hash))
  }

  @Test func anyBytesArePasswords() throws {
    #expect(try Self.matches("pässwörd", Self.accented))
    #expect(try !Self.matches("passwörd", Self.accented))
  }

  @Test func oneHasherForOneAfterTheOther() throws {
    let hasher = PasswordHasher()
    for _ in 0..<2 {
      for hash in try Self.hashes.map({ try PasswordHash($0.utf8) }) {
        #expect(unsafe "secret".withCString { unsafe hasher.matches($0, hash) })
        #expect(unsafe !"other".withCString { unsafe hasher.matches($0, hash) })
      }
    }
  }

  static let faults = [
    ("", "is missing"), ("secret", "is kept unsafely (as it is, or by DES)"),
    ("l9hDu91z3G1rY", "is kept unsafely (as it is, or by DES)"),
    ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "is kept unsafely ({SHA}: no salt)"),
    ("{SSHA}abc", "is in a form that is not known"),
    ("$apr1$UySdTkay$TckKjnr0saPbYtYjI3Z3a0", "is kept unsafely (MD5)"),
    ("$1$abcdefgh$Ld5gHB4cIbrHhR1zkLXtP1", "is kept unsafely (MD5)"),
    // A faulty bcrypt of 2011.
    ("$2x$05$drILeycgLUeU63XDqwGqDOqflgSDX81mOoSXNR9I/Sufh075r1X9a", "is in a form that is not known"),
    ("$argon2id$v=19$m=65536,t=2,p=1$abc$def", "is in a form that is not known"),
    ("$", "is in a form that is not known"),
    ("$2y$05$drILeycgLUeU63XDqwGqDOqflgSDX81mOoSXNR9I/Sufh075r1X9", "is damaged: its hash is not whole"),
    ("$2y$03$drILeycgLUeU63XDqwGqDOqflgSDX81mOoSXNR9I/Sufh075r1X9a", "is damaged: its hash is not whole"),
    ("$2y$05", "is damaged: its hash is not whole"),
    ("$5$zdSx3V6V/8Sjqyvw$Sy6DQRh5HERCqVmm4svUgYu05KCrO.cPvjzcXytzQM", "is damaged: its hash is not whole"),
    ("$6$$T8QP", "is damaged: its hash is not whole"),
    ("$5$rounds=x$a$b", "is damaged: its hash is not whole"),
    ("$y$j9T$8Xp9ydKlSq4Ss1VXzV4Ed0", "is damaged: its hash is not whole"),
    ("$y$$a$b", "is damaged: its hash is not whole"),
  ]

  @Test(arguments: faults) func refused(text: String, fault: String) {
    let error = #expect(throws: PasswordHash.Fault.self) { try PasswordHash(text.utf8) }
    #expect(error?.description == fault && error?.isForm == true)
  }

  @Test(
    arguments: [
      "$2y$16$drILeycgLUeU63XDqwGqDOqflgSDX81mOoSXNR9I/Sufh075r1X9a",
      "$2y$31$drILeycgLUeU63XDqwGqDOqflgSDX81mOoSXNR9I/Sufh075r1X9a",
      "$5$rounds=5000001$zdSx3V6V$Sy6DQRh5HERCqVmm4svUgYu05KCrO.cPvjzcXytzQM8",
      // 1 GiB.
      "$y$jFT$VocpQY/YWFe9BBHu9HslT/$4n9TF6HFqyHCClNlcdNEmf..DttRcMQS8i7Hk0Uf/P4",
      "$y$jzz$VocpQY/YWFe9BBHu9HslT/$4n9TF6HFqyHCClNlcdNEmf..DttRcMQS8i7Hk0Uf/P4",
    ]) func tooCostly(text: String)
  {
    let error = #expect(throws: PasswordHash.Fault.self) { try PasswordHash(text.utf8) }
    #expect(error?.isForm == false && error?.description.contains("use") == true)
  }

  @Test func whatIsCostlyButNotTooMuch() throws {
    for text in [
      "$2y$15$drILeycgLUeU63XDqwGqDOqflgSDX81mOoSXNR9I/Sufh075r1X9a",
      "$5$rounds=5000000$zdSx3V6V$Sy6DQRh5HERCqVmm4svUgYu05KCrO.cPvjzcXytzQM8",
      "$y$jCT$k6TH4viJRBKiDGvlyQVUD1$4.xX8Lnq3LeaEpRqiFAPU4ryoKzvJgesF7tuSVD1tOB",
      "$y$j75$RIYuVTnLw5vU3.qZdr5J11$SOIM1J/OF8ka.pmgiJiqQCqRLJ51gHpgt/OtJEc2xY1",
    ] { _ = try PasswordHash(text.utf8) }
  }
}
