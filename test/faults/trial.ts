import type { Owner } from '../rig/lifetime.ts';
import type { Client } from './clients.ts';
import { type Held, held, type TestImage } from './image.ts';
import { type Passed, startFaultProxy } from './proxy.ts';
import type { Row } from './row.ts';
import { seed } from './seed.ts';
import { createTokenService } from './token-service.ts';

/** How a run ended, seen from outside. */
export type Verdict =
  /** done, and the image is there */
  | 'ok'
  /** an error, and the image isn't there */
  | 'fail'
  /** an error, although the image is there */
  | 'false-fail'
  /** done, although the image isn't there */
  | 'lied'
  /** had to be ended */
  | 'hang';

export interface Trial {
  readonly verdict: Verdict;
  readonly exit: number;
  readonly text: string;
  readonly seconds: number;
  /** seconds from the fault's first strike to the end */
  readonly secondsAfterStrike: number;
  readonly holds: Held;
  /** how often the fault struck */
  readonly strikes: number;
  readonly passed: readonly Passed[];
}

export interface TrialOptions {
  /** a plain registry without faults */
  readonly upstream: string;
  readonly image: TestImage;
  /** a path that no other trial uses */
  readonly repository: string;
  readonly limitMs: number;
}

/** Lets a client publish the image through a row's faults, and looks what the registry holds. */
export async function tryRow(
  owner: Owner,
  row: Row,
  client: Client,
  { upstream, image, repository, limitMs }: TrialOptions,
): Promise<Trial> {
  const proxy = await startFaultProxy(owner, upstream, row.rules(), {
    tokens: row.tokens === undefined ? undefined : createTokenService(row.tokens),
    closesIdleAfterMs: row.closesIdleAfterMs,
  });
  const host = proxy.host.replace('127.0.0.1', row.hostname ?? '127.0.0.1');
  const from =
    row.isMounted === true ? { image: `${host}/${repository}-base:1` } : { layout: image.layout };
  if (row.isMounted === true) await seed(image, upstream, `${repository}-base`);
  const started = performance.now();
  const { exit, text } = await client.publish({
    from,
    to: `${host}/${repository}:1`,
    limitMs,
    idleSeconds: row.idleSeconds,
  });
  const ended = performance.now();
  const seconds = (ended - started) / 1000;
  const strikes = proxy.strikesMs.length;
  const secondsAfterStrike = (ended - (proxy.strikesMs[0] ?? started)) / 1000;
  const holds = await held(upstream, repository, '1');
  const isThere = holds.startsWith('sha256:');
  const verdict =
    seconds * 1000 >= limitMs
      ? 'hang'
      : exit === 0
        ? isThere
          ? 'ok'
          : 'lied'
        : isThere
          ? 'false-fail'
          : 'fail';
  const { passed } = proxy;
  return { verdict, exit, text, seconds, secondsAfterStrike, holds, strikes, passed };
}
