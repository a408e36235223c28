import type { Signalled } from '../content/transport.ts';
import type { Engine } from '../engine/client.ts';
import { isSlipwayError } from '../errors.ts';
import { isJsonObject } from '../oci/json.ts';
import { isOwnerGone, ownerLabel } from '../run/owner.ts';

const PROJECT_LABEL = 'io.slipway.dimg';
const PROCESS_LABEL = 'io.slipway.process';

/** Labels of the containers of a project, by which they are found if nobody removes them. */
export function containerLabels(project: string): Readonly<Record<string, string>> {
  return { [PROJECT_LABEL]: project, [PROCESS_LABEL]: ownerLabel() };
}

/**
 * Removes from an engine what builds left there: containers of processes of this machine that are
 * gone, what they kept of them, and images of stages, which have no name there and are in the
 * store, too.
 *
 * @param project of all projects if left out
 */
export async function removeLeftovers(
  engine: Engine,
  project: string | undefined,
  {
    tell,
    dryRun,
    signal,
  }: Signalled & { readonly tell: (name: string) => void; readonly dryRun: boolean },
): Promise<void> {
  const find = async (path: string, filters: object, what: string) => {
    const query = {
      filters: JSON.stringify(filters),
      ...(path.includes('json') ? { all: 1 } : {}),
    };
    const list = await engine.json({ method: 'GET', path, query, what, signal });
    return (Array.isArray(list) ? list : []).filter(isJsonObject);
  };
  const remove = async (kind: 'containers' | 'images', id: unknown): Promise<void> => {
    if (typeof id !== 'string' || !/^(?:sha256:)?[0-9a-f]{12,64}$/.test(id)) return;
    const path = `/${kind}/${encodeURIComponent(id)}`;
    const query = kind === 'containers' ? { force: 1, v: 1 } : {};
    try {
      if (!dryRun) {
        const what = `remove one of its ${kind}`;
        await (await engine.send({ method: 'DELETE', path, query, what, signal })).drop();
      }
      tell(`${engine.name}: ${kind === 'containers' ? 'container' : 'image'} ${id.slice(0, 19)}`);
    } catch (error) {
      // Gone already, or a container uses it.
      const status = isSlipwayError(error) ? error.facts.status : undefined;
      if (status !== 404 && status !== 409) throw error;
    }
  };
  const labelled = (label: string) => [project === undefined ? label : `${label}=${project}`];
  const containers = { label: labelled(PROJECT_LABEL) };
  for (const { Id, Labels } of await find('/containers/json', containers, 'list containers')) {
    const owner = isJsonObject(Labels) ? Labels[PROCESS_LABEL] : undefined;
    if (isOwnerGone(owner)) await remove('containers', Id);
  }
  const images = { label: labelled('werf'), dangling: ['true'] };
  for (const { Id, Labels } of await find('/images/json', images, 'list images')) {
    const owner = isJsonObject(Labels) ? Labels[PROCESS_LABEL] : undefined;
    // What was kept of a container has its labels: somebody is about to take it.
    if (owner === undefined || isOwnerGone(owner)) await remove('images', Id);
  }
}
