/// A page for people: what is served, by whom it is encrypted, and how much of it there is. It asks for `/status.json` every two seconds,
/// and for nothing else.
enum StatusPage {
  static let html = """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <link rel="icon" href="data:,">
    <title>Sluice</title>
    <style>
    :root { --back: #f6f7f9; --card: #fff; --text: #16202b; --soft: #5b6875; --line: #dfe4e9; --blue: #1668c7;
      --teal: #0b8a7a; --amber: #a86400; --red: #c0322b; }
    @media (prefers-color-scheme: dark) {
      :root { --back: #10161d; --card: #18212b; --text: #e6ebf0; --soft: #93a1af; --line: #2a3641; --blue: #63a9ff;
        --teal: #3ac8b5; --amber: #f0b354; --red: #ff7b72; }
    }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
    main { max-width: 72rem; margin: 0 auto; padding: 1.25rem; }
    header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1rem; margin-bottom: 1rem; }
    h1 { font-size: 1.5rem; margin: 0; letter-spacing: -.01em; }
    h2 { font-size: .8rem; font-weight: 600; color: var(--soft); margin: 0 0 .5rem; text-transform: uppercase;
      letter-spacing: .06em; }
    header span { color: var(--soft); }
    .state { color: var(--teal); font-weight: 600; }
    .state.other { color: var(--amber); }
    .grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
    section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; min-width: 0; }
    .wide { grid-column: 1 / -1; }
    .big { font-size: 1.9rem; font-weight: 600; line-height: 1.1; font-variant-numeric: tabular-nums; }
    .big small { font-size: .9rem; font-weight: 400; color: var(--soft); }
    svg { display: block; width: 100%; height: 4rem; margin-top: .6rem; }
    table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
    td { padding: .2rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; vertical-align: top; }
    tr:first-child td { border-top: 0; }
    td:last-child { text-align: right; padding-left: 1rem; white-space: nowrap; }
    .bar { display: flex; height: .7rem; border-radius: .35rem; overflow: hidden; background: var(--line); margin: .6rem 0; }
    .bar i { display: block; }
    .warning { color: var(--amber); }
    .bad { color: var(--red); }
    .soft { color: var(--soft); }
    p { margin: .25rem 0; overflow-wrap: anywhere; }
    </style>
    </head>
    <body>
    <main>
    <header><h1>Sluice</h1><span id="version"></span><span id="state" class="state"></span><span id="up"></span></header>
    <div class="grid">
    <section id="warnings" class="wide" hidden><h2>To look at</h2><div></div></section>
    <section><h2>Requests</h2><div class="big"><span id="rate">–</span> <small>a second</small></div>
    <svg id="rateChart" viewBox="0 0 120 40" preserveAspectRatio="none" role="img" aria-label="requests a second"></svg></section>
    <section><h2>Sent</h2><div class="big"><span id="bytes">–</span> <small>MiB a second</small></div>
    <svg id="bytesChart" viewBox="0 0 120 40" preserveAspectRatio="none" role="img" aria-label="MiB a second"></svg></section>
    <section><h2>Kernel TLS</h2><div class="big"><span id="share">–</span> <small>of handshakes</small></div>
    <div class="bar" id="shareBar"></div><p id="kernel" class="soft"></p><table id="reasons"></table></section>
    <section><h2>Connections</h2><table id="connections"></table></section>
    <section><h2>Responses</h2><table id="statuses"></table></section>
    <section><h2>Sent since start</h2><table id="transports"></table></section>
    <section><h2>Certificates</h2><table id="certificates"></table></section>
    <section><h2>Sites</h2><table id="sites"></table></section>
    <section><h2>Process</h2><table id="process"></table></section>
    </div>
    </main>
    <script>
    "use strict";
    const rates = [], sizes = [];
    let last = null;
    const get = id => document.getElementById(id);
    const number = value => Number(value).toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
    const size = bytes => {
      const units = ["B", "KiB", "MiB", "GiB", "TiB"];
      let index = 0;
      while (bytes >= 1024 && index < units.length - 1) { bytes /= 1024; index += 1; }
      return number(bytes) + " " + units[index];
    };
    const words = name => name.replaceAll("_", " ").replace("tls", "TLS").replace("ulp", "ULP");
    function rows(id, list, empty) {
      const body = list.map(([name, value, kind]) => {
        const row = document.createElement("tr");
        for (const text of [name, value]) row.appendChild(document.createElement("td")).textContent = text;
        if (kind) row.lastChild.className = kind;
        return row;
      });
      if (body.length === 0) {
        const row = document.createElement("tr");
        const cell = row.appendChild(document.createElement("td"));
        cell.textContent = empty; cell.className = "soft"; cell.style.textAlign = "left";
        body.push(row);
      }
      get(id).replaceChildren(...body);
    }
    function chart(id, values, colour) {
      const most = Math.max(...values, 1e-9);
      const step = 120 / 59;
      const points = values.map((value, index) =>
        ((60 - values.length + index) * step).toFixed(1) + "," + (39 - 37 * value / most).toFixed(1));
      const first = ((60 - values.length) * step).toFixed(1);
      const namespace = "http://www.w3.org/2000/svg";
      const area = document.createElementNS(namespace, "polygon");
      area.setAttribute("points", first + ",40 " + points.join(" ") + " 120,40");
      area.setAttribute("fill", colour); area.setAttribute("opacity", ".15");
      const line = document.createElementNS(namespace, "polyline");
      line.setAttribute("points", points.join(" "));
      line.setAttribute("fill", "none"); line.setAttribute("stroke", colour); line.setAttribute("stroke-width", "1.5");
      line.setAttribute("vector-effect", "non-scaling-stroke");
      get(id).replaceChildren(area, line);
    }
    function duration(seconds) {
      const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24, minutes = Math.floor(seconds / 60) % 60;
      return days > 0 ? days + " d " + hours + " h" : hours > 0 ? hours + " h " + minutes + " min" : minutes + " min " + seconds % 60 + " s";
    }
    function show(status, time) {
      get("version").textContent = status.version + " · " + status.urls.join(" · ");
      get("state").textContent = status.state;
      get("state").className = status.state === "serving" ? "state" : "state other";
      get("up").textContent = "for " + duration(Math.max(0, status.now - status.started));
      if (last) {
        const seconds = (time - last.time) / 1000;
        rates.push(Math.max(0, status.requests - last.status.requests) / seconds);
        sizes.push(Math.max(0, status.bytes - last.status.bytes) / seconds / 1048576);
        if (rates.length > 60) { rates.shift(); sizes.shift(); }
        get("rate").textContent = number(rates.at(-1));
        get("bytes").textContent = number(sizes.at(-1));
        chart("rateChart", rates, "var(--blue)");
        chart("bytesChart", sizes, "var(--teal)");
      }
      last = { status, time };
      const done = status.handshakes.kernel_tls + status.handshakes.user_tls;
      const share = done > 0 ? 100 * status.handshakes.kernel_tls / done : 0;
      get("share").textContent = done > 0 ? number(share) + " %" : "–";
      const bar = document.createElement("i");
      bar.style.width = share + "%"; bar.style.background = "var(--teal)";
      get("shareBar").replaceChildren(bar);
      get("kernel").textContent = status.kernel_tls === null ? "no HTTPS" : status.kernel_tls;
      rows("reasons", Object.entries(status.ktls_off).filter(entry => entry[1] > 0)
        .map(([name, count]) => ["not the kernel: " + words(name), number(count)])
        .concat([["resumed", number(status.handshakes.resumed)], ["failed", number(status.handshakes.failed)]]), "");
      rows("connections", Object.entries(status.connections).map(([name, count]) => [name, number(count)]), "");
      rows("statuses", Object.entries(status.statuses).map(([name, count]) =>
        [name, number(count), name >= "500" ? "bad" : ""]), "none yet");
      rows("transports", Object.entries(status.transports).map(([name, count]) => [words(name), size(count)]), "");
      rows("certificates", status.certificates.map(one =>
        [(one.names.join(", ") || one.file) + " (" + one.key + ")", one.days + " days",
          one.days < 0 ? "bad" : one.days < 7 ? "warning" : ""]), "none: no HTTPS");
      rows("sites", status.sites.map(site => [site.name + "  " + site.root, number(site.responses)]), "");
      rows("process", [["workers", status.process.workers], ["memory", size(status.process.resident)],
        ["descriptors", number(status.process.descriptors)], ["CPU", number(status.process.cpu_seconds) + " s"]], "");
      get("warnings").hidden = status.warnings.length === 0;
      get("warnings").lastElementChild.replaceChildren(...status.warnings.map(text => {
        const line = document.createElement("p");
        line.textContent = text; line.className = "warning";
        return line;
      }));
    }
    async function look() {
      try {
        const response = await fetch("status.json", { cache: "no-store" });
        show(await response.json(), performance.now());
      } catch {
        get("state").textContent = "does not answer";
        get("state").className = "state other";
      }
    }
    look();
    setInterval(look, 2000);
    </script>
    </body>
    </html>

    """
}
