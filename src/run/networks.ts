import type { Signalled } from '../content/transport.ts';
import type { Engine } from '../engine/client.ts';
import { isSlipwayError } from '../errors.ts';

/** Something that an engine made for containers, until it is removed. */
export interface Made {
  readonly name: string;
  /** Removes it; what is gone already is no error. */
  remove(): Promise<void>;
}

/** What is made, and how it can be found later. */
export interface MadeSpec extends Signalled {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * Makes a network of its own, in which containers find each other by their names.
 *
 * @throws SlipwayError `UNSUPPORTED` for a name that is taken, `NETWORK`
 */
export async function createNetwork(
  engine: Engine,
  { name, labels = {}, signal }: MadeSpec,
): Promise<Made> {
  const body = { Name: name, CheckDuplicate: true, Labels: labels };
  const what = `make the network ${name}`;
  await engine.json({ method: 'POST', path: '/networks/create', body, what, signal });
  return { name, remove: () => removeAt(engine, `/networks/${encodeURIComponent(name)}`) };
}

/**
 * Makes a volume; one of the same name that is there already is used.
 *
 * @throws SlipwayError `UNSUPPORTED`, `NETWORK`
 */
export async function createVolume(
  engine: Engine,
  { name, labels = {}, signal }: MadeSpec,
): Promise<Made> {
  const body = { Name: name, Labels: labels };
  const what = `make the volume ${name}`;
  await engine.json({ method: 'POST', path: '/volumes/create', body, what, signal });
  return { name, remove: () => removeAt(engine, `/volumes/${encodeURIComponent(name)}`) };
}

async function removeAt(engine: Engine, path: string): Promise<void> {
  try {
    await (await engine.send({ method: 'DELETE', path, what: `remove ${path}` })).drop();
  } catch (error) {
    if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
  }
}
