package import Access
package import Files
package import Site

/// What all workers serve, and how.
package struct Service: Sendable {
  /// The first one is for hosts that no other has.
  package var sites: [ServedSite]
  /// What lets into paths that are not for everybody: its files are `Site.passwordFiles` of the sites.
  package var passwords: Passwords
  /// Hosts that no site has are answered with 421.
  package var refusesOtherHosts = false
  /// What connections have to be known by to get a site's files (`ServerContext.clientPolicy`), by the sites' numbers: not 0 where
  /// clients have to show a certificate.
  package var clientPolicies: [Int] = []
  /// Balancers that say who has connected to them (PROXY protocol): they have to.
  package var proxies: [Network] = []
  /// Over plaintext there is nothing but the way to HTTPS, at this port.
  package var redirectPort: UInt16?
  /// Connections whose bodies OpenSSL would have to encrypt are closed.
  package var requiresKernelTLS = false

  package init(_ sites: [ServedSite], passwords: Passwords) {
    self.passwords = passwords
    self.sites = sites
  }
}

/// A site with the folder that it is made of.
package struct ServedSite: Sendable {
  let site: Site
  let root: DocumentRoot

  package init(_ site: Site, root: DocumentRoot) {
    self.site = site
    self.root = root
  }

  /// Symbolic links are to be followed, and can't be: see `DocumentRoot.followsLinks`.
  package var lacksLinks: Bool { site.followsLinks && !root.followsLinks }
}
