import type { BuildEngine } from '../build/engine.ts';
import { buildahEngine } from '../build/engines/buildah.ts';
import { buildctlEngine } from '../build/engines/buildctl.ts';
import { buildxEngine } from '../build/engines/buildx.ts';

/** The engines that can build, in the order in which `auto` asks them. */
export function buildEngines(env: NodeJS.ProcessEnv): readonly BuildEngine[] {
  // Who names a BuildKit daemon means that one.
  const buildkit = env.BUILDKIT_HOST
    ? [buildctlEngine(), buildxEngine()]
    : [buildxEngine(), buildctlEngine()];
  return [...buildkit, buildahEngine()];
}
