import { join } from 'node:path';
import type { BuildEngine } from '../build/engine.ts';
import { apiEngine } from '../build/engines/api.ts';
import { buildahEngine } from '../build/engines/buildah.ts';
import { buildctlEngine } from '../build/engines/buildctl.ts';
import { buildxEngine } from '../build/engines/buildx.ts';
import { createNativeEngine } from '../build/native/engine.ts';
import type { CredentialLookup } from '../credentials/credential.ts';
import { createCompressionTable } from '../state/compressions.ts';
import type { Context } from './context.ts';
import { findBaseInEngine } from './engine-images.ts';

/**
 * The engines that can build, in the order in which `auto` asks them.
 *
 * @param own says who we are to the registries of base images, before anything else does; other
 * programs' own logins stay theirs
 */
export async function buildEngines(
  context: Context,
  env: NodeJS.ProcessEnv,
  own?: CredentialLookup,
): Promise<readonly BuildEngine[]> {
  const credentials: CredentialLookup = async (repository) =>
    await (await (own === undefined ? context.credentials() : context.credentialsAs(own)))(
      repository,
    );
  // Who names a BuildKit daemon means that one.
  const buildkit = env.BUILDKIT_HOST
    ? [buildctlEngine(), buildxEngine()]
    : [buildxEngine(), buildctlEngine()];
  return [
    createNativeEngine({
      registries: () => (own === undefined ? context.registries() : context.registriesAs(own)),
      engineImage: (reference) => findBaseInEngine(context, reference),
      table: createCompressionTable(await context.hints(), join(await context.home(), 'locks')),
    }),
    ...buildkit,
    apiEngine('docker', credentials),
    apiEngine('podman', credentials),
    buildahEngine(),
  ];
}
