import { ANNOTATION } from '../oci/annotations.ts';
import { parseReference } from '../oci/reference.ts';
import type { Call } from './call.ts';

/** `clean`: removes the local images of ORGNAME/REPONAME, whichever registry they are named for. */
export async function clean({ site, variables }: Call): Promise<void> {
  const { signal } = site;
  const path = `${variables.organisation}/${variables.name}`;
  const store = await site.store();
  let isRemoved = false;
  for (const entry of await store.entries({ signal })) {
    const name = entry.annotations?.[ANNOTATION.refName];
    if (name === undefined || pathOf(name) !== path) continue;
    if (!site.isDryRun) isRemoved = (await store.untag(name, { signal })) !== undefined;
    site.tell(site.isDryRun ? name : `Untagged: ${name}`);
  }
  if (!isRemoved) return;
  for (const digest of (await store.prune({ signal })).blobs) site.tell(`Deleted: ${digest}`);
}

/** Other tools may have written names that aren't references. */
function pathOf(name: string): string | undefined {
  try {
    return parseReference(name).path;
  } catch {
    return undefined;
  }
}
