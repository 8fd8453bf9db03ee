/// The media type of a file by the ending of its name: the IANA registry's names, with a charset for text.
public enum MediaType {
  /// What a file without a known ending is: RFC 9110 §8.3 lets the recipient look into it then, but browsers
  /// that are told `octet-stream` keep it, which is the safe way.
  public static let unknown = "application/octet-stream"

  /// The type of a file by the ending of its name, in lower case.
  public static func of(ending: String) -> String? { types[ending] }

  /// Whether compression makes such content smaller: text, and what is made of it.
  public static func isCompressible(_ type: String) -> Bool {
    let name = type.prefix { $0 != ";" }.trimmingLineSpace().lowercased()
    return name.hasPrefix("text/") || name.hasSuffix("+xml") || name.hasSuffix("+json")
      || compressible.contains(name)
  }

  private static let compressible: Set<String> = [
    "application/ecmascript", "application/javascript", "application/json", "application/rtf",
    "application/toml",
    "application/vnd.apple.mpegurl", "application/vnd.ms-fontobject", "application/wasm",
    "application/x-ndjson",
    "application/xml", "application/yaml", "font/otf", "font/ttf", "image/bmp", "image/vnd.microsoft.icon",
    "model/gltf-binary",
  ]

  /// A media type as it is written in a field (RFC 9110 §8.3.1), or nil if it is none.
  public static func valid(_ text: String) -> String? {
    let text = text.trimmingLineSpace()
    let parts = text.prefix { $0 != ";" }.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ Field.isToken($0.trimmingLineSpace()) }),
      text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }), text.utf8.count <= mostBytes
    else { return nil }
    return text
  }

  /// Twice what RFC 6838 §4.2 allows for the names, for parameters.
  private static let mostBytes = 512

  /// With the charset that text has here, unless it says one, or something else: what a table without charsets means.
  public static func withCharset(_ type: String) -> String {
    type.lowercased().hasPrefix("text/") && !type.contains(";") ? type + "; charset=utf-8" : type
  }

  /// An ending as it is looked for: in lower case, and without its dot.
  public static func ending(_ text: some StringProtocol) -> String {
    let text = text.lowercased()
    return text.hasPrefix(".") ? String(text.dropFirst()) : text
  }

  private static let types: [String: String] = [
    "html": "text/html; charset=utf-8",
    "htm": "text/html; charset=utf-8",
    "xhtml": "application/xhtml+xml",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "json5": "application/json5",
    "parquet": "application/vnd.apache.parquet",
    "map": "application/json",
    "webmanifest": "application/manifest+json",
    "jsonld": "application/ld+json",
    "geojson": "application/geo+json",
    "wasm": "application/wasm",
    "gltf": "model/gltf+json",
    "glb": "model/gltf-binary",
    "obj": "model/obj",
    "stl": "model/stl",
    "txt": "text/plain; charset=utf-8",
    "text": "text/plain; charset=utf-8",
    "log": "text/plain; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "ics": "text/calendar; charset=utf-8",
    "vcf": "text/vcard; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "xml": "text/xml; charset=utf-8",
    "xsl": "text/xml; charset=utf-8",
    "xsd": "text/xml; charset=utf-8",
    "xslt": "application/xslt+xml",
    "kml": "application/vnd.google-earth.kml+xml",
    "gpx": "application/gpx+xml",
    "atom": "application/atom+xml",
    "rss": "application/rss+xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "sql": "application/sql",
    "ps": "application/postscript",
    "eps": "application/postscript",
    "ai": "application/postscript",
    "toml": "application/toml",
    "rtf": "application/rtf",
    "pdf": "application/pdf",
    "crt": "application/x-x509-ca-cert",
    "der": "application/x-x509-ca-cert",
    "pem": "application/x-pem-file",
    "crl": "application/pkix-crl",
    "p7b": "application/x-pkcs7-certificates",
    "pac": "application/x-ns-proxy-autoconfig",
    "swf": "application/x-shockwave-flash",
    "epub": "application/epub+zip",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "jxl": "image/jxl",
    "svg": "image/svg+xml",
    "svgz": "image/svg+xml",
    "ico": "image/vnd.microsoft.icon",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "heic": "image/heic",
    "heif": "image/heif",
    "apng": "image/apng",
    "psd": "image/vnd.adobe.photoshop",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "weba": "audio/webm",
    "m3u": "audio/mpegurl",
    "midi": "audio/midi",
    "oga": "audio/ogg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "mid": "audio/midi",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "ogx": "application/ogg",
    "ogv": "video/ogg",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "avi": "video/x-msvideo",
    "3gp": "video/3gpp",
    "3g2": "video/3gpp2",
    "flv": "video/x-flv",
    "wmv": "video/x-ms-wmv",
    "m4s": "video/iso.segment",
    "mpe": "video/mpeg",
    "mkv": "video/matroska",
    "m3u8": "application/vnd.apple.mpegurl",
    "mpd": "application/dash+xml",
    "ts": "video/mp2t",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "ttf": "font/ttf",
    "otf": "font/otf",
    "eot": "application/vnd.ms-fontobject",
    "ttc": "font/collection",
    "zip": "application/zip",
    "kmz": "application/vnd.google-earth.kmz",
    "usdz": "model/vnd.usdz+zip",
    "xpi": "application/x-xpinstall",
    "crx": "application/x-chrome-extension",
    "whl": "application/zip",
    "gz": "application/gzip",
    "tgz": "application/gzip",
    "bz2": "application/x-bzip2",
    "xz": "application/x-xz",
    "zst": "application/zstd",
    "br": "application/octet-stream",
    "tar": "application/x-tar",
    "7z": "application/x-7z-compressed",
    "rar": "application/vnd.rar",
    "jar": "application/java-archive",
    "deb": "application/vnd.debian.binary-package",
    "rpm": "application/x-rpm",
    "dmg": "application/x-apple-diskimage",
    "msi": "application/x-msi",
    "torrent": "application/x-bittorrent",
    "apk": "application/vnd.android.package-archive",
    "iso": "application/octet-stream",
    "bin": "application/octet-stream",
    "exe": "application/vnd.microsoft.portable-executable",
    "sh": "text/x-shellscript; charset=utf-8",
    "c": "text/x-c; charset=utf-8",
    "h": "text/x-c; charset=utf-8",
    "py": "text/x-python; charset=utf-8",
    "swift": "text/x-swift; charset=utf-8",
    "rs": "text/x-rust; charset=utf-8",
    "go": "text/x-go; charset=utf-8",
  ]
}
