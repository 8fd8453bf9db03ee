package import Files
package import Site

/// Makes pages, and JSON, of what folders hold.
package struct ListingRenderer: Sendable {
  /// How long a listing may become: entries that would begin behind it are left out, and it says so.
  let bytes: Int
  private let sites: [Site]

  /// For folders of some sites, each of which has its root's number.
  package init(_ sites: [Site], _ limits: Limits) {
    self.init(bytes: limits.listingBytesAtMost, sites)
  }

  /// Leaves out what would make it longer than so many bytes, by more than an entry and the rest of the page.
  init(bytes: Int, _ sites: [Site] = []) {
    self.bytes = bytes
    self.sites = sites
  }

  /// Says which paths of a folder may be shown; nil for all of them. What is not for everybody who may see the folder is not: not even
  /// its name.
  package func visibility(in folder: [UInt8], root: Int) -> (([UInt8]) -> Bool)? {
    let site = sites[root]
    let authentications = site.authentications
    guard site.hasGates || !authentications.isEmpty else { return nil }
    let access = site.access(of: folder)
    let needed = site.authentications(of: folder, among: authentications)
    return { path in
      site.access(of: path).allSatisfy(access.contains)
        && site.authentications(of: path, among: authentications).isSubset(of: needed)
    }
  }

  /// For a helper thread.
  package func render(_ contents: FolderContents, _ variant: ListingVariant) -> [UInt8] {
    switch variant.format {
    case .html: html(contents, variant)
    case .json: json(contents)
    }
  }

  /// What a listing's head says of its type.
  static func type(_ format: ListingVariant.Format) -> String {
    switch format {
    case .html: "text/html; charset=utf-8"
    case .json: "application/json"
    }
  }

  /// What a listing's head says if no rule says otherwise: it is asked for anew each time, and takes nothing from anywhere but
  /// its site's icon.
  static func fields(_ format: ListingVariant.Format, isPrivate: Bool) -> [Field] {
    let cacheControl = Field(known: "Cache-Control", isPrivate ? "private, no-cache" : "no-cache")
    guard format == .html else { return [cacheControl] }
    let policy = """
      default-src 'none'; img-src 'self'; style-src '\(ListingStyle.hash)'; base-uri 'none'; \
      form-action 'none'; frame-ancestors 'self'
      """
    return [cacheControl, Field(known: "Content-Security-Policy", policy)]
  }
}

extension FolderLister {
  /// Lists folders as a renderer says.
  package init(renderer: ListingRenderer, _ limits: Limits) {
    self.init(
      entries: limits.listingEntries, looks: limits.listingLooks,
      visibility: { renderer.visibility(in: $0, root: $1) }, render: { renderer.render($0, $1) })
  }
}
