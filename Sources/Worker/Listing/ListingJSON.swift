import Files

extension ListingRenderer {
  /// An array, with an object for each entry: `name`, `type` ("file" or "directory"), `size` of files in bytes, `mtime` (RFC 3339),
  /// and `path`, the reference by which it can be asked for, relative to the listing. What was left out is told by a last object,
  /// of the type "cut".
  func json(_ contents: FolderContents) -> [UInt8] {
    var out: [UInt8] = [UInt8(ascii: "[")]
    var listed = 0
    for entry in contents.entries where out.count < bytes {
      out.append(listed == 0 ? "\n" : ",\n")
      append(entry, to: &out)
      listed += 1
    }
    if listed < contents.count || !contents.isComplete {
      out.append(listed == 0 ? "\n" : ",\n")
      out.append(
        text: """
          {"type":"cut","listed":\(listed),"entries":\(contents.count),"more":\(!contents.isComplete)}
          """)
    }
    out.append("\n]\n")
    return out
  }

  private func append(_ entry: FolderEntry, to out: inout [UInt8]) {
    out.append("{\"name\":")
    out.append(json: entry.name)
    if entry.isFolder {
      out.append(",\"type\":\"directory\"")
    } else {
      out.append(",\"type\":\"file\",\"size\":")
      out.append(text: String(entry.size))
    }
    out.append(",\"mtime\":\"")
    out.append(text: ListingTime(seconds: entry.modifiedSeconds).exact)
    out.append("\",\"path\":\"")
    out.append(segment: entry.name)
    out.append(entry.isFolder ? "/\"}" : "\"}")
  }
}
