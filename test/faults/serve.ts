/**
 * Puts one row of the catalogue before a registry until it is interrupted, to try it by hand:
 *
 *     node test/faults/serve.ts HOST:PORT [TEXT OF THE ROW'S TITLE]
 *
 * Without a text it lists the rows.
 */
import { once } from 'node:events';
import { ownerWithEnd } from '../rig/owner.ts';
import { CATALOGUE } from './catalogue.ts';
import { startFaultProxy } from './proxy.ts';
import { createTokenService } from './token-service.ts';

const [upstream = '', text] = process.argv.slice(2);
if (text === undefined) {
  process.stdout.write(`${CATALOGUE.map(({ title }) => title).join('\n')}\n`);
} else {
  const row = CATALOGUE.find(({ title }) => title.includes(text));
  if (row === undefined) throw new Error(`no row's title holds ${JSON.stringify(text)}`);
  const { owner, end } = ownerWithEnd();
  const proxy = await startFaultProxy(owner, upstream, row.rules(), {
    tokens: row.tokens === undefined ? undefined : createTokenService(row.tokens),
    closesIdleAfterMs: row.closesIdleAfterMs,
  });
  process.stdout.write(`${row.title}: ${proxy.host}\n`);
  await once(process, 'SIGINT');
  await end();
}
