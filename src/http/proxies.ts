import { SlipwayError } from '../errors.ts';
import { parseNoProxy } from './no-proxy.ts';

/** Finds the proxy for a URL; undefined means none. */
export type ProxyLookup = (url: URL) => URL | undefined;

/** Proxies as they are configured: URLs, or `host:port` for http. */
export interface ProxySettings {
  readonly httpProxy?: string | undefined;
  readonly httpsProxy?: string | undefined;
  /** for both, where they have none of their own */
  readonly allProxy?: string | undefined;
  readonly noProxy?: string | undefined;
}

/**
 * The proxies of the environment: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, then the
 * same in lower case; an empty one counts as not set. Loopback is never proxied.
 *
 * @param fallback for what the environment leaves out, as docker's config file has it
 * @throws SlipwayError `CONFIG_INVALID` (from the lookup) for what is no URL of an http proxy
 */
export function environmentProxies(
  env: NodeJS.ProcessEnv = process.env,
  fallback: ProxySettings = {},
): ProxyLookup {
  const read = (name: string): string | undefined =>
    env[name] || env[name.toLowerCase()] || undefined;
  const isPast = parseNoProxy(read('NO_PROXY') ?? fallback.noProxy ?? '');
  const settings = {
    'http:': [
      ['HTTP_PROXY', read('HTTP_PROXY')],
      ['ALL_PROXY', read('ALL_PROXY')],
      ['"httpProxy"', fallback.httpProxy],
      ['"allProxy"', fallback.allProxy],
    ],
    'https:': [
      ['HTTPS_PROXY', read('HTTPS_PROXY')],
      ['ALL_PROXY', read('ALL_PROXY')],
      ['"httpsProxy"', fallback.httpsProxy],
      ['"allProxy"', fallback.allProxy],
    ],
  } as const;
  return (url) => {
    const port = url.port !== '' ? url.port : url.protocol === 'https:' ? '443' : '80';
    const [name, text] =
      settings[url.protocol as 'http:' | 'https:']?.find(([, value]) => Boolean(value)) ?? [];
    if (name === undefined || !text || isPast(url.hostname, port)) return undefined;
    return parseProxy(name, text);
  };
}

/** The text itself is never quoted: it may hold a password. */
function parseProxy(name: string, text: string): URL {
  const invalid = (why: string): SlipwayError =>
    new SlipwayError('CONFIG_INVALID', `the proxy of ${name} ${why}`, {
      hint: `it has the form http://[USER:PASSWORD@]HOST:PORT`,
    });
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || url.hostname === '') throw invalid('is no URL');
  if (/^socks/.test(url.protocol)) throw invalid('speaks SOCKS, which is not supported');
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw invalid('is neither http nor https');
  }
  return url;
}
