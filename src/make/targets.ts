import { SlipwayError } from '../errors.ts';
import { annotate } from './annotate.ts';
import { build } from './build.ts';
import type { Call } from './call.ts';
import { clean } from './clean.ts';
import { history } from './history.ts';
import { pull } from './pull.ts';
import { push, pushRegistry } from './push.ts';
import { rollback } from './rollback.ts';
import { runTest } from './trial.ts';

/** Something that can be made. */
interface Target {
  readonly name: string;
  readonly summary: string;
  make(call: Call): Promise<void>;
}

const ELSEWHERE = 'push_registry_';

const TARGETS: readonly Target[] = [
  { name: 'build', summary: 'build the image of Dockerfile_<ARCH> or Dockerfile', make: build },
  { name: 'test', summary: 'run TESTCMD in the local image', make: runTest },
  { name: 'push', summary: 'push the tags of the image, as one publication', make: push },
  {
    name: `${ELSEWHERE}HOST[:PORT]`,
    summary: 'the same to another registry',
    make: (call) => pushRegistry(call, ''),
  },
  { name: 'pull', summary: 'get the image, also from elsewhere (IMAGESRC)', make: pull },
  {
    name: 'annotate_latest',
    summary: 'join the images of all architectures to the list latest',
    make: (call) => annotate(call, 'latest'),
  },
  {
    name: 'annotate_version',
    summary: 'the same for the list VERSION',
    make: (call) => annotate(call, 'version'),
  },
  {
    name: 'annotate_date',
    summary: 'the same for the list VERSION_BUILDDATE',
    make: (call) => annotate(call, 'date'),
  },
  { name: 'rollback', summary: 'move tags and lists back to an earlier date', make: rollback },
  { name: 'history', summary: 'show the tags of the image by version and date', make: history },
  { name: 'clean', summary: 'remove the local images of this name', make: clean },
  { name: 'help', summary: 'show this', make: help },
];

/**
 * Finds what makes each target, before the first one is made.
 *
 * @throws SlipwayError `USAGE`
 */
export function findTargets(names: readonly string[]): readonly ((call: Call) => Promise<void>)[] {
  return names.map((name) => {
    if (name.startsWith(ELSEWHERE)) {
      return (call) => pushRegistry(call, name.slice(ELSEWHERE.length));
    }
    const found = TARGETS.find((target) => target.name === name);
    if (found !== undefined) return found.make;
    throw new SlipwayError('USAGE', `there is no target ${JSON.stringify(name)}`, {
      hint: `there are ${TARGETS.map((target) => target.name).join(', ')}`,
    });
  });
}

async function help({ site, settings, variables, names }: Call): Promise<void> {
  const { image } = names.image(variables.architecture, '');
  const unknown = settings.version === undefined ? '' : 'is found out';
  site.table(
    ['TARGET', 'WHAT IT DOES'],
    TARGETS.map(({ name, summary }) => [name, summary]),
  );
  site.tell('');
  site.table(
    ['VARIABLE', 'NOW'],
    [
      ['REGISTRY', variables.registry],
      ['ORGNAME', variables.organisation],
      ['REPONAME', variables.name],
      ['ARCH', variables.architecture],
      [variables.versionName, (variables.version ?? unknown) || 'none'],
      ['BUILDDATE', variables.buildDate],
      ['IMAGETAG', image.text],
    ],
  );
}
