import { printable } from '../../bytes/printable.ts';
import { SlipwayError } from '../../errors.ts';
import { formatPlatform, type Platform, parsePlatform } from '../../oci/platform.ts';
import { parseTrigger } from '../dockerfile/dockerfile.ts';
import type { Instruction } from '../dockerfile/instruction.ts';
import { nearest } from '../dockerfile/nearest.ts';
import { located, quoted, shownPlace, syntaxError, type Where } from '../dockerfile/text.ts';
import type { Flag } from '../dockerfile/words.ts';
import { openBase } from './base.ts';
import type { BaseImage, PlatformRun, StageResult, StageState } from './build-run.ts';
import { configStep, workingDirectory } from './config-step.ts';
import { expanderOf } from './expander.ts';
import { addHistory, changeConfig } from './history.ts';
import { emptyImage, envMap, imageFrom } from './image-config.ts';
import { copyStep, workdirStep } from './layer-step.ts';
import { copyOfTree, type DirectoryNode, directory } from './nodes.ts';
import type { SourceTree } from './sources.ts';
import { earlierStage, stageNumber } from './stage-names.ts';

/**
 * Builds a stage, once, and those that it needs.
 *
 * @param trail the stages that wait for it
 * @throws SlipwayError `CONFIG_INVALID` for stages that need each other
 */
export function buildStage(
  run: PlatformRun,
  number: number,
  trail: readonly number[] = [],
): Promise<StageResult> {
  const { stages } = run.dockerfile;
  if (trail.includes(number)) {
    const names = [...trail.slice(trail.indexOf(number)), number].map(
      (at) => stages[at]?.from.name ?? String(at),
    );
    const where = stages[number]?.from.where as Where;
    throw new SlipwayError(
      'CONFIG_INVALID',
      `${shownPlace(where)}: stages need each other in a circle: ${names.join(' → ')}`,
    );
  }
  const known = run.stages.get(number);
  if (known !== undefined) return known;
  const made = build(run, number, [...trail, number]);
  run.stages.set(number, made);
  return made;
}

async function build(
  run: PlatformRun,
  number: number,
  trail: readonly number[],
): Promise<StageResult> {
  const stage = run.dockerfile.stages[number];
  if (stage === undefined) throw new SlipwayError('INTERNAL', `there is no stage ${number}`);
  const { from } = stage;
  const escapeWith = run.dockerfile.escapeWith;
  const expand = expanderOf(run.globals, escapeWith, from.where);
  const image = expand.word(from.image);
  if (image === '') {
    throw syntaxError(from.where, `the image of FROM ${from.image} is empty`, 'set its ARG');
  }
  const platform = platformOf(run, from.platform && expand.word(from.platform), from.where);
  const state = await start(run, image, platform, number, trail, from.where);
  run.emit({ type: 'build.step', ...stepFacts(run, `FROM ${image}`), isCached: false });
  const triggers = state.image.config.OnBuild ?? [];
  const { OnBuild: _, ...config } = state.image.config;
  state.image = { ...state.image, config };
  for (const instruction of [...triggers.flatMap(parseTrigger), ...stage.instructions]) {
    run.signal?.throwIfAborted();
    const isCached = await carryOut(run, state, instruction, trail).catch((error: unknown) => {
      throw located(error, instruction.where);
    });
    const step = stepText(instruction);
    run.emit({ type: 'build.step', ...stepFacts(run, step), isCached });
  }
  return { image: state.image, layers: state.layers, args: state.args, tree: state.tree };
}

function stepFacts(run: PlatformRun, step: string) {
  return { step, platform: formatPlatform(run.platform) };
}

function stepText(instruction: Instruction): string {
  const { keyword } = instruction;
  const words = 'text' in instruction ? [instruction.text] : wordsOf(instruction);
  return printable([keyword, ...words].join(' '), 120);
}

/** Names alone where values can be long, or secrets. */
function wordsOf(instruction: Instruction): readonly string[] {
  switch (instruction.keyword) {
    case 'COPY':
    case 'ADD': {
      const { sources, heredocs, destination } = instruction;
      return [...sources, ...heredocs.map(({ name }) => `<<${name}`), destination];
    }
    case 'ARG':
      return instruction.args.map(({ name }) => name);
    case 'ENV':
    case 'LABEL':
      return instruction.pairs.map(({ name }) => name);
    default:
      return [];
  }
}

/** A stage before its first instruction. */
async function start(
  run: PlatformRun,
  image: string,
  platform: Platform,
  number: number,
  trail: readonly number[],
  where: Where,
): Promise<StageState> {
  const own = earlierStage(run.dockerfile, image, number);
  if (own !== undefined) {
    const base = await buildStage(run, own, trail);
    return stateOf(base.image, base.layers, base.args, base.tree);
  }
  if (image === 'scratch')
    return stateOf(emptyImage(platform), [], new Map(), async () => directory());
  const base = await baseOf(run, image, platform, where);
  const draft = imageFrom(base.config, base.platform, base.diffIds);
  return stateOf(draft, base.layers, new Map(), base.tree);
}

function stateOf(
  image: StageState['image'],
  layers: StageState['layers'] | readonly StageState['layers'][number][],
  args: ReadonlyMap<string, string>,
  tree: () => Promise<DirectoryNode>,
): StageState {
  let own: Promise<DirectoryNode> | undefined;
  return {
    image,
    layers: [...layers],
    args: new Map(args),
    isCmdSet: false,
    tree() {
      own ??= tree().then(copyOfTree);
      return own;
    },
  };
}

function baseOf(
  run: PlatformRun,
  image: string,
  platform: Platform,
  where: Where,
): Promise<BaseImage> {
  const key = `${image} ${formatPlatform(platform)}`;
  let base = run.bases.get(key);
  if (base === undefined) {
    base = openBase(run, image, platform, where);
    run.bases.set(key, base);
  }
  return base;
}

function platformOf(run: PlatformRun, text: string | undefined, where: Where): Platform {
  if (text === undefined || text === '') return run.platform;
  try {
    return parsePlatform(text);
  } catch {
    throw syntaxError(where, `${quoted(text)} is no platform`, 'write os/arch or os/arch/variant');
  }
}

/** Carries out an instruction. True if it has a layer that an earlier build had made. */
async function carryOut(
  run: PlatformRun,
  state: StageState,
  instruction: Instruction,
  trail: readonly number[],
): Promise<boolean> {
  const { where } = instruction;
  const { escapeWith } = run.dockerfile;
  // An ARG hides what ENV set before it, until ENV sets it again.
  const variables = new Map([...envMap(state.image.config.Env ?? []), ...state.args]);
  const expand = expanderOf(variables, escapeWith, where);
  const { created } = run.clock;
  switch (instruction.keyword) {
    case 'ARG': {
      for (const { name, value } of instruction.args) {
        const given = run.args.get(name);
        const usual = value === undefined ? run.globals.get(name) : expand.word(value);
        const found = given ?? usual;
        if (found === undefined) state.args.delete(name);
        else state.args.set(name, found);
      }
      // Values stay out of the history: they can be secrets.
      const words = instruction.args.map(({ name, value }) =>
        value === undefined ? name : `${name}=${value}`,
      );
      addHistory(state, created, `ARG ${words.join(' ')}`);
      return false;
    }
    case 'COPY':
    case 'ADD': {
      if (instruction.needs !== undefined) {
        throw new SlipwayError(
          'NO_ENGINE',
          `${shownPlace(where)}: ${instruction.keyword} ${instruction.needs} needs BuildKit`,
          { hint: 'install docker-buildx, or set BUILDKIT_HOST' },
        );
      }
      const from = () => sourceTree(run, instruction.from, trail);
      return await copyStep(run, state, instruction, from, expand);
    }
    case 'WORKDIR': {
      const folder = workingDirectory(state, expand.word(instruction.text));
      changeConfig(state, { WorkingDir: folder });
      return await workdirStep(run, state, folder, where);
    }
    case 'RUN':
      throw needsEngine(where);
    default:
      configStep(state, instruction, expand, created);
      return false;
  }
}

/** The error for a command in a Dockerfile that is built without an engine. */
function needsEngine(where: Where): SlipwayError {
  return new SlipwayError('NO_ENGINE', `${shownPlace(where)}: RUN needs an engine to run in`, {
    hint: 'install docker with buildx, podman or buildah, or set BUILDKIT_HOST or DOCKER_HOST',
  });
}

/** Where a COPY or ADD takes its files from. */
async function sourceTree(
  run: PlatformRun,
  from: Flag | undefined,
  trail: readonly number[],
): Promise<SourceTree> {
  if (from === undefined) return await run.context();
  const name = from.value ?? '';
  const number = stageNumber(run.dockerfile, name, from.where);
  if (number !== undefined) {
    const { tree } = await buildStage(run, number, trail);
    return { root: await tree(), what: `the stage ${name}`, isRoot: true };
  }
  if (name === 'scratch') return { root: directory(), what: name, isRoot: true };
  try {
    const { tree } = await baseOf(run, name, run.platform, from.where);
    return { root: await tree(), what: `the image ${name}`, isRoot: true };
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    const names = run.dockerfile.stages.flatMap((stage) => stage.from.name ?? []);
    const near = nearest(name, names);
    const meant = near === undefined ? '' : `; is the stage ${near} meant?`;
    throw new SlipwayError(
      error.code,
      `${error.message} (no stage is called ${quoted(name)}${meant})`,
      {
        ...error.facts,
        cause: error,
      },
    );
  }
}
