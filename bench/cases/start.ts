import { missing } from '../../test/rig/programs.ts';
import type { Bench, Case, Section } from '../bench.ts';
import { type Contender, contest, secondTime } from '../contest.ts';
import { prepareLayout } from '../images/layout.ts';
import { longerShown, ratioShown, requestsShown, tableOf } from '../report.ts';
import { layoutPublishers } from '../tools.ts';

const NODE = 'node -e 0';
const VERSION = 'slipway --version';

export const start: Case = {
  name: 'start',
  about: 'what a start costs: --version, and a push that has nothing to do',
  missing: () => missing('docker-registry'),
  run: async (bench) => [await versions(bench), await nothingToDo(bench)],
};

/** Node alone, as the least that a start can cost. */
const nodeAlone: Contender = {
  name: NODE,
  isOffline: true,
  publish: ({ env }) => [{ args: [process.execPath, '-e', '0'], env }],
};

async function versions(bench: Bench): Promise<Section> {
  const version = (name: string, command: readonly string[], isOurs: boolean): Contender => ({
    name,
    isOurs,
    isOffline: true,
    publish: ({ env }) => [{ args: [...command, '--version'], env }],
  });
  const contenders = [
    nodeAlone,
    version(VERSION, bench.slipway, true),
    ...(bench.before === undefined ? [] : [version(`before: ${VERSION}`, bench.before, false)]),
  ];
  const outcomes = await contest(bench, 'start', contenders, { rounds: 6 * bench.rounds });
  const { columns, rows } = tableOf(outcomes);
  // Nothing is sent here.
  const kept = (cells: readonly string[]) => [...cells.slice(0, 4), ...cells.slice(7)];
  return {
    title: 'A start',
    about: 'A Node that does nothing, and Slipway telling its version.',
    columns: kept(columns),
    rows: rows.map(kept),
    shows: longerShown(outcomes, VERSION, NODE, 40),
  };
}

const LAYERS = 10;
const LAYER_BYTES = 64 * 1024;

async function nothingToDo(bench: Bench): Promise<Section> {
  const wanted = Array.from({ length: LAYERS }, (_, at) => ({
    seed: `small ${at}`,
    sizeBytes: LAYER_BYTES,
  }));
  const { folder } = await prepareLayout(bench, 'ten-small', wanted);
  const contenders = layoutPublishers(bench, folder).map(secondTime);
  const outcomes = await contest(bench, 'nothing to do', [nodeAlone, ...contenders], {
    rounds: 2 * bench.rounds,
  });
  return {
    title: 'A push that has nothing to do',
    about: `${LAYERS} layers of ${LAYER_BYTES / 1024} KiB in a layout, published by the same tool just before.`,
    ...tableOf(outcomes),
    shows: [...requestsShown(outcomes, 'slipway', 2), ...ratioShown(outcomes, 'slipway', NODE, 3)],
  };
}
