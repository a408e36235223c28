import { BlockList, isIP } from 'node:net';
import { domainToASCII } from 'node:url';

/** True for a host (as in a parsed URL) and a port that no proxy is to be used for. */
export type NoProxy = (hostname: string, port: string) => boolean;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * Reads a `NO_PROXY` list as Go programs do: `*`, addresses, CIDR blocks, `name` (and all below it),
 * `.name` and `*.name` (only what is below), each but blocks with or without `:port`. Addresses are
 * compared as addresses. Loopback is never proxied; what doesn't parse matches nothing.
 */
export function parseNoProxy(list: string): NoProxy {
  const rules = list
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== '')
    .map(parseEntry);
  return (hostname, port) => {
    const bare = hostname.replace(/^\[|\]$|\.$/g, '').toLowerCase();
    if (bare === 'localhost' || holds(LOOPBACK, bare)) return true;
    return rules.some((matches) => matches(bare, port));
  };
}

function parseEntry(entry: string): NoProxy {
  if (entry === '*') return () => true;
  const block = blockOf(entry);
  if (block !== undefined) return (host) => holds(block, host);
  const [, bracketed, named, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::([0-9]+))?$/.exec(entry) ?? [];
  const name = bracketed ?? named ?? entry;
  const isPort: (asked: string) => boolean = (asked) => port === undefined || asked === port;
  const family = name.includes('%') ? 0 : isIP(name);
  if (family !== 0) {
    const address = new BlockList();
    address.addAddress(name, family === 4 ? 'ipv4' : 'ipv6');
    return (host, asked) => isPort(asked) && holds(address, host);
  }
  const domain = domainToASCII(name.replace(/^\*?\./, '').replace(/\.$/, ''));
  if (domain === '') return () => false;
  const isOnlyBelow = /^\*?\./.test(name);
  return (host, asked) =>
    isPort(asked) && (host.endsWith(`.${domain}`) || (!isOnlyBelow && host === domain));
}

function blockOf(entry: string): BlockList | undefined {
  const [, address = '', bits = ''] = /^([0-9a-f.:]+)\/([0-9]{1,3})$/.exec(entry) ?? [];
  const family = isIP(address);
  if (family === 0 || Number(bits) > (family === 4 ? 32 : 128)) return undefined;
  const block = new BlockList();
  block.addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  return block;
}

function holds(block: BlockList, host: string): boolean {
  const family = isIP(host);
  return family !== 0 && block.check(host, family === 4 ? 'ipv4' : 'ipv6');
}
