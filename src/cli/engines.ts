import type { BuildEngine } from '../build/engine.ts';
import { apiEngine } from '../build/engines/api.ts';
import { buildahEngine } from '../build/engines/buildah.ts';
import { buildctlEngine } from '../build/engines/buildctl.ts';
import { buildxEngine } from '../build/engines/buildx.ts';
import { createNativeEngine } from '../build/native/engine.ts';
import type { CredentialLookup } from '../credentials/credential.ts';
import { createCompressionTable } from '../state/compressions.ts';
import type { Context } from './context.ts';

/** The engines that can build, in the order in which `auto` asks them. */
export async function buildEngines(
  context: Context,
  env: NodeJS.ProcessEnv,
): Promise<readonly BuildEngine[]> {
  const credentials: CredentialLookup = async (repository) =>
    await (await context.credentials())(repository);
  // Who names a BuildKit daemon means that one.
  const buildkit = env.BUILDKIT_HOST
    ? [buildctlEngine(), buildxEngine()]
    : [buildxEngine(), buildctlEngine()];
  return [
    createNativeEngine({
      registries: context.registries,
      table: createCompressionTable(await context.hints()),
    }),
    ...buildkit,
    apiEngine('docker', credentials),
    apiEngine('podman', credentials),
    buildahEngine(),
  ];
}
