import { SlipwayError } from '../errors.ts';
import type { TlsSettings } from '../http/tls.ts';

/** Where an engine's API is. */
export type EngineAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | {
      readonly kind: 'tcp';
      /** `name:port`, as in a URL */
      readonly host: string;
      /** left out: without encryption */
      readonly tls?: TlsSettings;
    }
  | {
      readonly kind: 'ssh';
      readonly host: string;
      readonly user?: string;
      readonly port?: string;
      /** socket over there, if it isn't the default one */
      readonly path?: string;
      /** the program over there that speaks to the engine */
      readonly program: 'docker' | 'podman';
    };

const PORT = '2375';
const TLS_PORT = '2376';

export interface AddressOptions {
  /** where it was written, for errors: `DOCKER_HOST` */
  readonly where: string;
  /** for tcp addresses */
  readonly tls?: TlsSettings | undefined;
  readonly program?: 'docker' | 'podman';
}

/**
 * Parses `unix:///PATH`, `tcp://HOST[:PORT]` or `ssh://[USER@]HOST[:PORT][/SOCKET]`.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function parseEngineAddress(
  text: string,
  { where, tls, program = 'docker' }: AddressOptions,
): EngineAddress {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length).replace(/^\/\//, '');
    if (!path.startsWith('/')) throw invalid(text, where);
    return { kind: 'unix', path };
  }
  const url = URL.parse(text);
  if (url === null || url.hostname === '' || url.search !== '' || url.hash !== '') {
    throw invalid(text, where);
  }
  switch (url.protocol) {
    case 'tcp:':
    case 'http:':
    case 'https:': {
      if (url.username !== '' || url.password !== '' || url.pathname.length > 1) {
        throw invalid(text, where);
      }
      const isTls = tls !== undefined || url.protocol === 'https:';
      const usual = url.protocol === 'tcp:' ? (isTls ? TLS_PORT : PORT) : isTls ? '443' : '80';
      const host = `${url.hostname}:${url.port || usual}`;
      return { kind: 'tcp', host, ...(isTls ? { tls: tls ?? {} } : {}) };
    }
    case 'ssh:': {
      // What is escaped is nothing that could be meant here.
      const { username: user, pathname: path } = url;
      // These words reach a shell on the other side.
      const isSafe =
        /^[A-Za-z0-9_.:[\]-]+$/.test(url.hostname) &&
        !url.hostname.startsWith('-') &&
        /^(?:[A-Za-z0-9_.@\\][A-Za-z0-9_.@\\-]*)?$/.test(user) &&
        /^[A-Za-z0-9_./@-]*$/.test(path) &&
        url.password === '';
      if (!isSafe) throw invalid(text, where);
      return {
        kind: 'ssh',
        program,
        host: url.hostname.replace(/^\[|\]$/g, ''),
        ...(user === '' ? {} : { user }),
        ...(url.port === '' ? {} : { port: url.port }),
        ...(path === '' || path === '/' ? {} : { path }),
      };
    }
    default:
      throw invalid(text, where);
  }
}

/** An address as people write it. */
export function formatEngineAddress(address: EngineAddress): string {
  if (address.kind === 'unix') return `unix://${address.path}`;
  if (address.kind === 'tcp') return `tcp://${address.host}`;
  const { user, host, port, path = '' } = address;
  return `ssh://${user === undefined ? '' : `${user}@`}${host}${port === undefined ? '' : `:${port}`}${path}`;
}

function invalid(text: string, where: string): SlipwayError {
  // A password may stand in it.
  const shown = text.replace(/\/\/[^/]*@/, '//…@').slice(0, 200);
  return new SlipwayError('CONFIG_INVALID', `${where} is no engine's address: ${shown}`, {
    hint: 'write unix:///PATH, tcp://HOST:PORT or ssh://HOST',
  });
}
