import path from 'node:path';
import { fromMemory } from '../../bytes/stream.ts';
import { SlipwayError } from '../../errors.ts';
import { excludeRules } from '../dockerfile/ignore.ts';
import type { CopyInstruction } from '../dockerfile/instruction.ts';
import { isFolderName } from '../dockerfile/parse-copy.ts';
import { quoted, shownPlace, syntaxError, type Where } from '../dockerfile/text.ts';
import { tarOf } from '../layer.ts';
import { storeLayer } from '../store-layer.ts';
import { unpackInto } from './archive.ts';
import type { PlatformRun, StageState } from './build-run.ts';
import { copyInto } from './copy.ts';
import type { Expander } from './expander.ts';
import { addHistory } from './history.ts';
import { layerEntries } from './layer-entries.ts';
import { parseMode } from './mode.ts';
import { directory, type FileNode, partsOf } from './nodes.ts';
import { type Owner, ownerOf } from './owner.ts';
import { type SourceNode, type SourceTree, sourcesOf } from './sources.ts';
import { applyLayer, type Draft, startDraft, withFolders } from './tree.ts';

type Copy = CopyInstruction & { readonly where: Where };

/**
 * Carries out COPY or ADD: one layer. True if an earlier build had made it.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `CONFIG_INVALID`, `NO_ENGINE`
 */
export async function copyStep(
  run: PlatformRun,
  state: StageState,
  instruction: Copy,
  from: () => Promise<SourceTree>,
  expand: Expander,
): Promise<boolean> {
  const { keyword, where, chown, chmod } = instruction;
  const written = expand.word(instruction.destination);
  const names = instruction.sources.map(expand.word);
  if (keyword === 'ADD') for (const name of names) refuseUrl(name, where);
  const destination = absolute(written, state.image.config.WorkingDir ?? '/');
  const draft = startDraft(instruction.link ? directory() : await state.tree(), 'the image');
  const ownerText = chown === undefined ? undefined : expand.word(chown);
  const owner = ownerText === undefined ? undefined : await ownerOf(ownerText, state.tree, where);
  const modeText = chmod === undefined ? undefined : expand.word(chmod);
  const sources: SourceNode[] = [];
  for (const name of names) {
    const found = await sourcesOf(await from(), name, where);
    if (found.length === 0) {
      const message = `${shownPlace(where)}: ${quoted(name)} matches nothing`;
      run.emit({ type: 'warning', message });
    }
    sources.push(...found);
  }
  for (const { name, content, expands } of instruction.heredocs) {
    const text = expands ? expand.heredoc(content) : content;
    sources.push({ name, node: textNode(text, run.clock.nowSeconds) });
  }
  await copyInto(draft, sources, {
    keyword,
    where,
    destination,
    owner,
    mode: modeText === undefined ? undefined : parseMode(modeText, where),
    exclude: excludeRules(instruction.exclude.map(expand.word), shownPlace(where)),
    nowSeconds: run.clock.nowSeconds,
    ...(keyword === 'ADD' && instruction.unpack
      ? { unpack: (file, name, to) => unpack(run, draft, file, name, to, owner, where) }
      : {}),
  });
  const text = [
    keyword,
    ...(ownerText === undefined ? [] : [`--chown=${ownerText}`]),
    ...(modeText === undefined ? [] : [`--chmod=${modeText}`]),
    ...names,
    ...instruction.heredocs.map(({ name }) => `<<${name}`),
    written,
  ].join(' ');
  return await finishLayer(run, state, draft, text, instruction.link);
}

/** Makes the folder of WORKDIR, which belongs to USER. True if an earlier build had made it. */
export async function workdirStep(
  run: PlatformRun,
  state: StageState,
  folder: string,
  where: Where,
): Promise<boolean> {
  const draft = startDraft(await state.tree(), 'the image');
  const { parts, node } = await draft.follow(partsOf(folder));
  if (node === undefined) {
    const user = state.image.config.User ?? '';
    const owner = user === '' ? { uid: 0, gid: 0 } : await ownerOf(user, state.tree, where);
    const mtimeSeconds = run.clock.nowSeconds;
    await draft.makeDirectory(parts, { mode: 0o755, ...owner, mtimeSeconds });
  } else if (node.kind !== 'directory') {
    throw syntaxError(where, `${quoted(folder)} is no folder in the image`);
  }
  return await finishLayer(run, state, draft, `WORKDIR ${folder}`, false);
}

/** Makes the layer of what has changed, if anything has; true if an earlier build had made it. */
async function finishLayer(
  run: PlatformRun,
  state: StageState,
  draft: Draft,
  text: string,
  isApart: boolean,
): Promise<boolean> {
  if (draft.changed.size === 0) {
    addHistory(state, run.clock.created, text);
    return false;
  }
  const nodes = await withFolders(draft);
  const entries = layerEntries(nodes, (seconds) => run.clock.ofFile(seconds));
  const { store, table, settings, signal } = run;
  const cache = table === undefined ? undefined : { table, store };
  const layer = await storeLayer(store, () => tarOf(entries), { settings, cache, signal });
  if (isApart) state.tree = withLayer(state.tree, nodes);
  state.layers.push(layer.descriptor);
  state.image = { ...state.image, diffIds: [...state.image.diffIds, layer.diffId] };
  addHistory(state, run.clock.created, text, true);
  return layer.isCached;
}

/** A tree with a layer over it; what is below isn't read before somebody asks for it. */
function withLayer(
  below: StageState['tree'],
  nodes: Parameters<typeof applyLayer>[1],
): StageState['tree'] {
  let tree: ReturnType<StageState['tree']> | undefined;
  return () => {
    tree ??= below().then(async (root) => {
      await applyLayer(root, nodes);
      return root;
    });
    return tree;
  };
}

function unpack(
  { spoolDir, signal, onClose, clock }: PlatformRun,
  draft: Draft,
  file: FileNode,
  name: string,
  to: readonly string[],
  owner: Owner | undefined,
  where: Where,
): Promise<boolean> {
  const { nowSeconds } = clock;
  return unpackInto(draft, file, name, to, { spoolDir, signal, onClose, owner, nowSeconds, where });
}

function textNode(text: string, mtimeSeconds: number): FileNode {
  const bytes = Buffer.from(text);
  return {
    kind: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeSeconds,
    sizeBytes: bytes.byteLength,
    open: () => fromMemory(bytes),
  };
}

function absolute(destination: string, workingDir: string): string {
  const clean = path.posix.resolve('/', workingDir, destination);
  return isFolderName(destination) && clean !== '/' ? `${clean}/` : clean;
}

/** True for what ADD would fetch. */
export function isRemote(source: string): boolean {
  return /^(?:https?|ftp|git|ssh):\/\/|^git@/i.test(source);
}

function refuseUrl(source: string, where: Where): void {
  if (!isRemote(source)) return;
  throw new SlipwayError(
    'NO_ENGINE',
    `${shownPlace(where)}: ADD from a URL isn't done by the native engine`,
    {
      hint: 'what a URL gives can change, and the image with it: download it into the context, or build with another engine',
    },
  );
}
