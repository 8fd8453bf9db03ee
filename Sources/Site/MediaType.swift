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
      text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F })
    else { return nil }
    return text
  }

  private static let types: [String: String] = [
    "html": "text/html; charset=utf-8",
    "htm": "text/html; charset=utf-8",
    "xhtml": "application/xhtml+xml",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "json": "application/json",
    "map": "application/json",
    "webmanifest": "application/manifest+json",
    "jsonld": "application/ld+json",
    "geojson": "application/geo+json",
    "wasm": "application/wasm",
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
    "atom": "application/atom+xml",
    "rss": "application/rss+xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "toml": "application/toml",
    "rtf": "application/rtf",
    "pdf": "application/pdf",
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
    "ico": "image/vnd.microsoft.icon",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "heic": "image/heic",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "mid": "audio/midi",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "ogv": "video/ogg",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "avi": "video/x-msvideo",
    "mkv": "video/matroska",
    "m3u8": "application/vnd.apple.mpegurl",
    "mpd": "application/dash+xml",
    "ts": "video/mp2t",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "ttf": "font/ttf",
    "otf": "font/otf",
    "zip": "application/zip",
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
