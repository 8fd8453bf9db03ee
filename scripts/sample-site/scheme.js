document.getElementById("scheme").textContent = location.protocol === "https:" ? "HTTPS" : "HTTP";
