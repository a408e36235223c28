import type { Signalled } from '../content/transport.ts';
import type { Engine } from '../engine/client.ts';
import { isSlipwayError } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../oci/json.ts';
import { isOwnerGone, ownerLabel } from '../run/owner.ts';

const RUN = 'slipway.jet';
const OWNER = 'slipway.jet.by';

/** Labels of all that a run makes in an engine: which run, and whose. */
export function labelsOf(run: string): Readonly<Record<string, string>> {
  return { [RUN]: run, [OWNER]: ownerLabel() };
}

/** Something that a run made and didn't remove. */
export interface Leftover {
  readonly kind: 'container' | 'network' | 'volume';
  readonly name: string;
  /** Removes it; what is in use stays, and so does the result false. */
  remove(): Promise<boolean>;
}

/**
 * What runs that are over have left in an engine: they were killed, or told to leave it.
 *
 * @throws SlipwayError `NETWORK`, and what the engine says
 */
export async function leftovers(
  engine: Engine,
  { signal }: Signalled = {},
): Promise<readonly Leftover[]> {
  const list = async (path: string, query: Record<string, string>): Promise<JsonObject[]> => {
    const filters = JSON.stringify({ label: [RUN] });
    const what = 'list what runs have left';
    const found = await engine.json({
      method: 'GET',
      path,
      query: { ...query, filters },
      what,
      signal,
    });
    const entries = isJsonObject(found) ? found.Volumes : found;
    return Array.isArray(entries) ? entries.filter(isJsonObject).filter(isOver) : [];
  };
  const leftover = (kind: Leftover['kind'], name: string, path: string): Leftover => ({
    kind,
    name,
    async remove() {
      const query = kind === 'container' ? { force: 1, v: 1 } : {};
      try {
        const what = `remove the ${kind} ${name}`;
        await (await engine.send({ method: 'DELETE', path, query, what })).drop();
        return true;
      } catch (error) {
        if (isSlipwayError(error, 'NOT_FOUND')) return true;
        if (isSlipwayError(error) && error.facts.status !== undefined) return false;
        throw error;
      }
    },
  });
  const text = (entry: JsonObject, key: string) => encodeURIComponent(String(entry[key]));
  // Containers hold the others.
  return [
    ...(await list('/containers/json', { all: '1' })).map((each) =>
      leftover('container', String(each.Id).slice(0, 12), `/containers/${text(each, 'Id')}`),
    ),
    ...(await list('/networks', {})).map((each) =>
      leftover('network', String(each.Name), `/networks/${text(each, 'Id')}`),
    ),
    ...(await list('/volumes', {})).map((each) =>
      leftover('volume', String(each.Name), `/volumes/${text(each, 'Name')}`),
    ),
  ];
}

/** A run that goes on keeps what it made; one of another machine is one that may go on. */
function isOver({ Labels: labels }: JsonObject): boolean {
  const owner = isJsonObject(labels) ? labels[OWNER] : undefined;
  // What we made ourselves is asked for when our run is over.
  return owner === ownerLabel() || isOwnerGone(owner);
}
