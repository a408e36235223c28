/** Where a remote repository of git is, without who we are to it. */
export interface RemoteUrl {
  readonly url: string;
  readonly login?: { readonly username: string; readonly password: string };
}

const MAX_LENGTH = 2000;
const SCHEME = /^(https?|ssh|git|file):\/\//;
/** `[USER@]HOST:PATH`, as git takes it; neither may look like an option */
const SCP = /^(?:[A-Za-z0-9_][\w.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:(?![-:/]|$)[^:]*$/;
const SCP_ABSOLUTE = /^(?:[A-Za-z0-9_][\w.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:\/(?!\/)[^:]*$/;

/**
 * Reads the address of a remote repository; undefined for what git would take for a program to
 * start, an option, or a path of this machine without `file://`.
 */
export function parseRemoteUrl(text: string): RemoteUrl | undefined {
  // Others than git read a backslash as a slash.
  const isPlain = !/[\s\p{C}\\]/u.test(text) && text.length <= MAX_LENGTH && !text.startsWith('-');
  if (!isPlain) return undefined;
  if (!SCHEME.test(text)) {
    return SCP.test(text) || SCP_ABSOLUTE.test(text) ? { url: text } : undefined;
  }
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const { protocol, hostname, pathname, username, password } = url;
  const isFile = protocol === 'file:';
  if (hostname.startsWith('-') || (hostname === '') !== isFile || pathname === '/')
    return undefined;
  if (username.startsWith('-') || url.hash !== '') return undefined;
  if (protocol === 'http:' || protocol === 'https:') {
    const bare = text.replace(/^(https?:\/\/)[^/?#]*@/, '$1');
    if (username === '' && password === '') return { url: bare };
    const login = { username: decoded(username), password: decoded(password) };
    return /[\r\n\0]/.test(login.username + login.password) ? undefined : { url: bare, login };
  }
  return password === '' ? { url: text } : undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** True if a branch or tag can be called so (git-check-ref-format), and can't be an option. */
export function isRefName(text: string): boolean {
  if (
    text === '' ||
    text.length > 250 ||
    /[\s\p{C}~^:?*[\\]|\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)/u.test(text)
  )
    return false;
  return !/^[-/.]|[/.]$/.test(text) && text !== '@';
}
