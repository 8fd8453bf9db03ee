import Files

extension ListingRenderer {
  /// Steps of the path that are shown at most: the last ones.
  private static var longestTrail: Int { 32 }

  /// A page that needs neither scripts nor anything from elsewhere. End tags that HTML lets one leave out are left out in rows,
  /// of which there are many.
  func html(_ contents: FolderContents, _ variant: ListingVariant) -> [UInt8] {
    var rows: [UInt8] = []
    if !contents.path.isEmpty {
      rows.append("<tr><td><a href=\"../")
      rows.append(text: variant.query)
      rows.append("\"><svg><use href=\"#u\"/></svg>Parent folder</a><td><td>\n")
    }
    var listed = 0
    for entry in contents.entries where rows.count < bytes {
      append(entry, variant, to: &rows)
      listed += 1
    }
    var page: [UInt8] = []
    page.reserveCapacity(rows.count + 8192)
    page.append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
    page.append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
    page.append("<meta name=\"color-scheme\" content=\"light dark\">\n<title>/")
    page.append(html: contents.path)
    page.append("</title>\n<style>")
    page.append(ListingStyle.css)
    page.append("</style>\n</head>\n<body>\n<svg class=\"icons\">")
    page.append(ListingStyle.icons)
    page.append("</svg>\n<main>\n<h1>")
    appendTrail(contents.path, variant, to: &page)
    page.append("</h1>\n<p>")
    page.append(text: summary(contents, listed: listed))
    page.append("</p>\n<table>\n")
    appendHeads(variant, to: &page)
    page.append("<tbody>\n")
    page.append(contentsOf: rows)
    if contents.entries.isEmpty { page.append("<tr><td class=\"none\">Nothing here<td><td>\n") }
    page.append("</tbody>\n</table>\n</main>\n</body>\n</html>\n")
    return page
  }

  /// `docs / guide`, each step a link but the last.
  private func appendTrail(_ path: [UInt8], _ variant: ListingVariant, to out: inout [UInt8]) {
    let steps = path.split(separator: UInt8(ascii: "/"))
    func link(up count: Int) {
      out.append("<a href=\"")
      out.append(text: (count == 0 ? "./" : String(repeating: "../", count: count)) + variant.query)
      out.append("\"")
    }
    link(up: steps.count)
    out.append(steps.isEmpty ? " aria-current=\"page\"" : " aria-label=\"Home\"")
    out.append("><svg><use href=\"#h\"/></svg>")
    out.append(steps.isEmpty ? "<b>Home</b></a>" : "</a>")
    let hidden = max(0, steps.count - Self.longestTrail)
    if hidden > 0 { out.append("<i>/</i>…") }
    for (index, step) in steps.enumerated().dropFirst(hidden) {
      out.append("<i>/</i>")
      link(up: steps.count - 1 - index)
      if index == steps.count - 1 { out.append(" aria-current=\"page\"") }
      out.append("><bdi>")
      out.append(html: step)
      out.append("</bdi></a>")
    }
  }

  private func summary(_ contents: FolderContents, listed: Int) -> String {
    if listed < contents.count || !contents.isComplete {
      let all = ListingNumber.grouped(Int64(contents.count))
      return """
        <strong>Only the first \(ListingNumber.grouped(Int64(listed))) of \
        \(contents.isComplete ? "" : "more than ")\(all) entries are shown.</strong>
        """
    }
    let folders = contents.entries.count { $0.isFolder }
    let files = contents.entries.count - folders
    func count(_ number: Int, _ noun: String) -> String? {
      number == 0 ? nil : ListingNumber.grouped(Int64(number)) + " " + noun + (number == 1 ? "" : "s")
    }
    // Files with holes can be said to be of any size.
    let size = contents.entries.reduce(Int64(0)) { sum, entry in
      let (size, overflow) = sum.addingReportingOverflow(entry.isFolder ? 0 : entry.size)
      return overflow ? .max : size
    }
    let parts = [count(folders, "folder"), count(files, "file"), files > 0 ? ListingNumber.size(size) : nil]
    return parts.compactMap { $0 }.joined(separator: " · ")
  }

  /// The heads of columns are links that sort, or turn the order around.
  private func appendHeads(_ variant: ListingVariant, to out: inout [UInt8]) {
    out.append("<thead>\n<tr>")
    for key in ListingVariant.Key.allCases {
      let isCurrent = key == variant.key
      out.append("<th scope=\"col\"")
      if isCurrent {
        out.append(variant.isDescending ? " aria-sort=\"descending\"" : " aria-sort=\"ascending\"")
      }
      // The largest and the newest are what is looked for.
      let isDescending = isCurrent ? !variant.isDescending : key != .name
      out.append("><a href=\"")
      out.append(text: ListingVariant(key: key, isDescending: isDescending).fullQuery)
      out.append("\">")
      switch key {
      case .name: out.append("Name")
      case .size: out.append("Size")
      case .time: out.append("Modified <small>UTC</small>")
      }
      out.append("</a></th>")
    }
    out.append("</tr>\n</thead>\n")
  }

  private func append(_ entry: FolderEntry, _ variant: ListingVariant, to out: inout [UInt8]) {
    out.append("<tr><td><a href=\"")
    out.append(segment: entry.name)
    if entry.isFolder {
      out.append("/")
      out.append(text: variant.query)
    }
    out.append("\"><svg><use href=\"#")
    out.append(entry.isFolder ? "d" : ListingStyle.icon(of: entry.name))
    out.append("\"/></svg><bdi>")
    out.append(html: entry.name)
    out.append("</bdi></a><td")
    if !entry.isFolder {
      if entry.size >= 1000 {
        out.append(text: " title=\"\(ListingNumber.grouped(entry.size)) bytes\"")
      }
      out.append(text: ">\(ListingNumber.size(entry.size))")
    } else {
      out.append(">")
    }
    let time = ListingTime(seconds: entry.modifiedSeconds)
    out.append(text: "<td><time datetime=\"\(time.exact)\">\(time.short)</time>\n")
  }
}

extension ListingVariant {
  /// What leads to the same order in another folder, for an attribute: nothing for the usual one.
  fileprivate var query: String { key == .name && !isDescending ? "" : fullQuery }

  fileprivate var fullQuery: String {
    let name =
      switch key {
      case .name: "name"
      case .size: "size"
      case .time: "time"
      }
    return "?sort=\(name)&amp;order=\(isDescending ? "desc" : "asc")"
  }
}
