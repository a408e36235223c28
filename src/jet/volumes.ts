import { homedir } from 'node:os';
import { resolve } from 'node:path';
import type { Engine } from '../engine/client.ts';
import { isSlipwayError } from '../errors.ts';
import { createVolume, type Made } from '../run/networks.ts';

/** The volumes of one run. */
export interface RunVolumes {
  /** A volume of a service as engines take it; volumes that aren't there are made. */
  bind(text: string): Promise<string>;
  /** Removes what was made; what is in use stays. */
  remove(): Promise<void>;
}

export interface VolumeOptions {
  /** relative folders are taken from here */
  readonly dir: string;
  /** begins the names of nameless volumes */
  readonly prefix: string;
  readonly labels: Readonly<Record<string, string>>;
}

export function createRunVolumes(
  engine: Engine,
  { dir, prefix, labels }: VolumeOptions,
): RunVolumes {
  const made = new Map<string, Promise<Made | undefined>>();
  let nameless = 0;
  const ensure = async (name: string): Promise<Made | undefined> => {
    const path = `/volumes/${encodeURIComponent(name)}`;
    try {
      await engine.json({ method: 'GET', path, what: `look for the volume ${name}` });
      return undefined;
    } catch (error) {
      if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
      return await createVolume(engine, { name, labels });
    }
  };
  return {
    async bind(text) {
      const [first = '', ...rest] = text.split(':');
      if (rest.length === 0) {
        nameless += 1;
        const name = `${prefix}-${nameless}`;
        made.set(name, createVolume(engine, { name, labels }));
        await made.get(name);
        return `${name}:${first}`;
      }
      const isPath = /^[./~]/.test(first);
      if (first.startsWith('~/')) return [resolve(homedir(), first.slice(2)), ...rest].join(':');
      if (isPath) return [resolve(dir, first), ...rest].join(':');
      const known = made.get(first) ?? ensure(first);
      made.set(first, known);
      await known;
      return text;
    },
    async remove() {
      for (const volume of made.values()) {
        // One that another run uses too is removed by that one.
        await volume.then((each) => each?.remove()).catch(() => {});
      }
    },
  };
}
