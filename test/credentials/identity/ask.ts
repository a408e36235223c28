/**
 * Asks for the logins of hosts in a process of its own, for the clouds' libraries read the
 * environment: `node ask.ts HOST…`. Prints one line of JSON, with what was connected to.
 */
import net from 'node:net';
import { identityCredentials } from '../../../src/credentials/identity/identity.ts';
import { isSlipwayError } from '../../../src/errors.ts';
import { environmentProxies } from '../../../src/http/proxies.ts';

const connections: string[] = [];
const connect = net.Socket.prototype.connect;
/** Nothing but loopback is reached, whatever a library tries. */
net.Socket.prototype.connect = function (this: net.Socket, ...args: unknown[]) {
  const [first] = args.flat() as [{ host?: string; path?: string } | number | string];
  const host = typeof first === 'object' ? (first.path ?? first.host ?? 'localhost') : args[1];
  connections.push(String(host));
  if (!/^(?:127\.0\.0\.1|localhost|::1)$/.test(String(host))) {
    const error = Object.assign(new Error('kept from the network'), { code: 'ENETUNREACH' });
    process.nextTick(() => this.destroy(error));
    return this;
  }
  return Reflect.apply(connect, this, args);
} as typeof connect;

const proxyFor = environmentProxies();
const warnings: string[] = [];
const lookup = identityCredentials({
  route: (origin) => {
    const proxy = proxyFor(origin);
    return proxy === undefined ? {} : { proxy };
  },
  emit: (event) => {
    if (event.type === 'warning') warnings.push(event.message);
  },
  ...(process.env.TEST_TIMEOUT_MS ? { timeoutMs: Number(process.env.TEST_TIMEOUT_MS) } : {}),
});
const answers = await Promise.all(
  process.argv.slice(2).map(async (host) => {
    try {
      return { credential: await lookup({ host, path: 'team/app' }) };
    } catch (error) {
      if (!isSlipwayError(error)) throw error;
      return { code: error.code, message: error.message, hint: error.hint };
    }
  }),
);
process.stdout.write(`${JSON.stringify({ answers, warnings, connections })}\n`);
