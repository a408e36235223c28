/**
 * Where a git remote can be looked at: https without user, password, query or `.git`. Undefined for
 * what is no address of a host, such as a folder.
 */
export function publicUrl(remote: string): string | undefined {
  // git's own short form: [USER@]HOST:PATH
  const [, host, path] = /^(?:[^\s/@:]+@)?([A-Za-z0-9.-]+):(?!\/)([^\s?#]+)$/.exec(remote) ?? [];
  if (host !== undefined && path !== undefined && host.length > 1) {
    return `https://${host}/${withoutSuffix(path)}`;
  }
  const url = URL.parse(remote);
  if (url === null || !/^(?:https?|ssh|git|git\+ssh):$/.test(url.protocol)) return undefined;
  if (url.hostname === '' || url.pathname.length < 2) return undefined;
  // The port of ssh is not that of the site.
  const isWeb = url.protocol === 'http:' || url.protocol === 'https:';
  const origin = isWeb ? `${url.protocol}//${url.host}` : `https://${url.hostname}`;
  return `${origin}/${withoutSuffix(url.pathname)}`;
}

function withoutSuffix(path: string): string {
  return path.replace(/^\/+|\/+$/g, '').replace(/\.git$/, '');
}
