/// What every page that lists a folder looks like.
enum ListingStyle {
  /// As Content-Security-Policy has it: `openssl dgst -sha256 -binary | base64` of `css`.
  static let hash = "sha256-3TpiAAXn7QvN6SUwkeC+miQ296ynhPlRfSHTf+Z+LWU="

  static let css: StaticString = """

    :root{--page:#f6f7f9;--card:#fff;--text:#1c2128;--dim:#5f6977;--line:#e4e7eb;--link:#1d5fd1;--over:#eef4ff;--folder:#5b9bf3}
    @media(prefers-color-scheme:dark){
    :root{--page:#0f1216;--card:#171b21;--text:#e4e8ee;--dim:#98a2b1;--line:#272d36;--link:#8ab8ff;--over:#1e2632;--folder:#5f97e6}
    }
    *{box-sizing:border-box}
    html{color-scheme:light dark;-webkit-text-size-adjust:100%}
    body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
    main{max-width:60rem;margin:0 auto;padding:2rem 1.5rem 4rem}
    h1{display:flex;flex-wrap:wrap;align-items:center;gap:.1rem .35rem;margin:0;font-size:1.35rem;font-weight:600;line-height:1.4;overflow-wrap:anywhere}
    h1 a{display:inline-flex;min-height:1.9rem;align-items:center;color:var(--dim);text-decoration:none;border-radius:.3rem}
    h1 a[aria-current]{color:var(--text)}
    h1 a:hover{color:var(--link)}
    h1 i{color:var(--dim);font-style:normal;font-weight:400;opacity:.6}
    h1 svg{width:1.3rem;height:1.3rem;margin:0}
    h1 b{margin-left:.5rem}
    p{margin:.25rem 0 1.25rem;min-height:1.5em;color:var(--dim);font-size:.9rem}
    strong{color:var(--text);font-weight:600}
    svg{flex:none;width:1.25rem;height:1.25rem;margin-right:.75rem;color:var(--dim);fill:none;stroke:currentColor;stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round}
    .icons{display:none}
    table{width:100%;border-spacing:0;background:var(--card);border:1px solid var(--line);border-radius:.75rem}
    th{position:sticky;top:0;z-index:1;padding:0;background:var(--card);border-bottom:1px solid var(--line);font-size:.8rem;font-weight:500;text-align:left;white-space:nowrap}
    th a{display:block;padding:.65rem 1rem;color:var(--dim);text-decoration:none}
    th a:hover,th[aria-sort] a{color:var(--text)}
    th[aria-sort] a::after{content:" \\2191"}
    th[aria-sort=descending] a::after{content:" \\2193"}
    th:first-child{border-top-left-radius:.75rem}
    th:last-child{border-top-right-radius:.75rem}
    th small{font-size:.85em;opacity:.75}
    td{padding:0 1rem;border-top:1px solid var(--line);color:var(--dim);font-size:.9rem;font-variant-numeric:tabular-nums;white-space:nowrap}
    tbody tr:first-child td{border-top:0}
    td:first-child{width:100%;padding:0;font-size:1rem;white-space:normal;overflow-wrap:anywhere}
    th:nth-child(2),td:nth-child(2){text-align:right}
    td a{display:flex;align-items:center;min-height:2.6rem;padding:.4rem 1rem;color:var(--text);text-decoration:none}
    td a:hover bdi{color:var(--link);text-decoration:underline;text-underline-offset:.2em}
    tbody tr:hover td{background:var(--over)}
    tbody tr:last-child td:first-child{border-bottom-left-radius:.75rem}
    tbody tr:last-child td:last-child{border-bottom-right-radius:.75rem}
    use[href="#d"]{color:var(--folder);fill:currentColor;stroke:none}
    a:focus-visible{outline:2px solid var(--link);outline-offset:-2px;border-radius:.4rem}
    td.none{padding:1.25rem 1rem;color:var(--dim)}
    @media(max-width:40rem){
    main{padding:1rem .75rem 3rem}
    h1{font-size:1.2rem}
    p{margin-bottom:.9rem}
    table,thead,tbody{display:block}
    thead tr{display:flex}
    thead th:first-child{flex:1}
    thead{position:sticky;top:0;z-index:1;background:var(--card);border-radius:.75rem .75rem 0 0}
    tbody tr{display:grid;grid-template-columns:minmax(3.2rem,auto) 1fr;padding:.35rem 0;border-top:1px solid var(--line)}
    tbody tr:first-child{border-top:0}
    tbody tr:hover{background:var(--over)}
    tbody tr:hover td{background:none}
    td{padding:0;border:0;font-size:.8rem;line-height:1.2}
    td:empty{display:none}
    td:first-child{grid-column:1/-1}
    td:nth-child(2){padding:0 .75rem .45rem 3rem;text-align:left}
    td:nth-child(3){padding-bottom:.45rem}
    td:nth-child(2):empty+td{grid-column:1/-1;padding-left:3rem}
    td a{min-height:2.2rem;padding-bottom:.2rem}
    }
    @media print{main{max-width:none;padding:0}th{position:static}}

    """

  /// Folder, up, root, and kinds of files.
  static let icons: StaticString = """
    <symbol id="d" viewBox="0 0 24 24"><path d="M2.5 6.5a2 2 0 0 1 2-2h4.6a2 2 0 0 1 1.4.6l1.6 1.6h7.4a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-15a2 2 0 0 1-2-2z"/></symbol>\
    <symbol id="u" viewBox="0 0 24 24"><path d="M9 9 4.5 4.5 0 9M4.5 5v10a4 4 0 0 0 4 4h11" transform="translate(2)"/></symbol>\
    <symbol id="h" viewBox="0 0 24 24"><path d="m3 11 9-8 9 8M5.5 9v11h13V9M10 20v-6h4v6"/></symbol>\
    <symbol id="f" viewBox="0 0 24 24"><path d="M14 2.5H6.5a1.5 1.5 0 0 0-1.5 1.5v16a1.5 1.5 0 0 0 1.5 1.5h11a1.5 1.5 0 0 0 1.5-1.5V7.5zM14 2.5V8h5"/></symbol>\
    <symbol id="t" viewBox="0 0 24 24"><path d="M14 2.5H6.5a1.5 1.5 0 0 0-1.5 1.5v16a1.5 1.5 0 0 0 1.5 1.5h11a1.5 1.5 0 0 0 1.5-1.5V7.5zM14 2.5V8h5M8.5 12.5h7M8.5 16.5h5"/></symbol>\
    <symbol id="i" viewBox="0 0 24 24"><rect x="3" y="4" width="18" height="16" rx="2"/><circle cx="8.5" cy="9.5" r="1.5"/><path d="m4 18 5-5 3.5 3.5L16 13l5 5"/></symbol>\
    <symbol id="v" viewBox="0 0 24 24"><rect x="3" y="4.5" width="18" height="15" rx="2"/><path d="m10 9 5 3-5 3z"/></symbol>\
    <symbol id="a" viewBox="0 0 24 24"><path d="M9 17.5V5l11-2v12.5"/><circle cx="6.5" cy="17.5" r="2.5"/><circle cx="17.5" cy="15.5" r="2.5"/></symbol>\
    <symbol id="z" viewBox="0 0 24 24"><rect x="3" y="3.5" width="18" height="5" rx="1.5"/><path d="M4.5 8.5V19a1.5 1.5 0 0 0 1.5 1.5h12a1.5 1.5 0 0 0 1.5-1.5V8.5M9.5 12.5h5"/></symbol>
    """

  /// The icon of a file, by the ending of its name.
  static func icon(of name: [UInt8]) -> StaticString {
    guard let dot = name.lastIndex(of: UInt8(ascii: ".")), name.count - dot <= 8 else { return "f" }
    switch String(decoding: name[(dot + 1)...], as: UTF8.self).lowercased() {
    case "png", "jpg", "jpeg", "gif", "webp", "avif", "svg", "svgz", "ico", "bmp", "tif", "tiff", "heic",
      "jxl":
      return "i"
    case "mp4", "m4v", "mov", "webm", "mkv", "avi", "mpg", "mpeg", "ogv", "wmv", "flv": return "v"
    case "mp3", "m4a", "aac", "ogg", "oga", "opus", "flac", "wav", "mid", "midi": return "a"
    case "zip", "gz", "tgz", "bz2", "xz", "zst", "br", "tar", "7z", "rar", "deb", "rpm", "jar", "whl", "iso",
      "img":
      return "z"
    case "txt", "md", "rst", "log", "html", "htm", "css", "js", "mjs", "ts", "json", "xml", "yaml", "yml",
      "toml",
      "csv", "tsv", "pdf", "doc", "docx", "odt", "rtf", "tex", "c", "h", "cpp", "rs", "go", "py", "rb", "sh",
      "swift", "java", "sql", "ini", "conf", "diff", "patch":
      return "t"
    default: return "f"
    }
  }
}
