import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import { SlipwayError } from '../errors.ts';
import { readProjectFile } from './project-file.ts';

const MAX_FILE_BYTES = 1024 * 1024;
/** Values that are looked at: aliases can make a short file long. */
const MAX_VALUES = 50_000;
/** A mapping may be merged into itself; that must end before the stack does. */
const MERGE_COST = 100;

/** A value of a YAML or JSON file, which knows where it stands. */
export interface Value {
  /** `steps[2].service`; empty for the whole file */
  readonly field: string;
  /** `FILE, line N` */
  readonly where: string;
  readonly isText: boolean;
  readonly isList: boolean;
  readonly isMap: boolean;
  /** Text; numbers, truths and the like as they are written. */
  text(): string;
  /** `true` or `false`, also as `yes` and `no`. */
  flag(): boolean;
  list(): readonly Value[];
  /** The fields with their values, in their order; those without a value are left out. */
  fields(): ReadonlyMap<string, Value>;
  /** A failure that tells where it is; `how` goes on after the field's name. */
  wrong(how: string, hint?: string): SlipwayError;
}

/**
 * Reads a YAML or JSON file.
 *
 * @param shown its name, for errors
 * @throws SlipwayError `CONFIG_INVALID`, `FILE_NOT_FOUND`, `LIMIT_EXCEEDED`
 */
export async function readDocument(path: string, shown: string): Promise<Value> {
  const bytes = await readProjectFile(path, MAX_FILE_BYTES, shown);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new SlipwayError('CONFIG_INVALID', `${shown} is no UTF-8 text`, { path });
  }
  return parseText(text, shown, path);
}

function parseText(text: string, shown: string, path: string): Value {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const [problem] = document.errors;
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0]);
    const [said = ''] = problem.message.split('\n');
    const what = /call stack/.test(said) ? 'it is nested too deeply' : said;
    throw new SlipwayError('CONFIG_INVALID', `${shown}, line ${line}, column ${col}: ${what}`, {
      path,
      hint: 'mend the YAML (or JSON) there',
    });
  }
  const targets = aliasTargets(document);
  let left = MAX_VALUES;
  let last = 1;
  const valueAt = (given: unknown, field: string, cost = 1): Value => {
    left -= cost;
    if (left < 0) {
      throw new SlipwayError('LIMIT_EXCEEDED', `${shown} holds more than ${MAX_VALUES} values`, {
        path,
      });
    }
    const node = isAlias(given) ? targets.get(given) : (given as Node | null | undefined);
    // What holds nothing has no place of its own.
    const line = node?.range == null ? last : lines.linePos(node.range[0]).line;
    last = line;
    const where = `${shown}, line ${line}`;
    const wrong = (how: string, hint?: string): SlipwayError =>
      new SlipwayError('CONFIG_INVALID', `${where}: ${field || 'the file'} ${how}`, {
        path,
        ...(hint === undefined ? {} : { hint }),
      });
    const written = (): string => {
      if (!isScalar(node) || node.value === null) throw wrong('is no text');
      return typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
    };
    return {
      field,
      where,
      isText: isScalar(node) && node.value !== null,
      isList: isSeq(node),
      isMap: isMap(node),
      wrong,
      text: written,
      flag() {
        const word = isScalar(node) ? written().toLowerCase() : '';
        if (['true', 'yes', 'on'].includes(word)) return true;
        if (['false', 'no', 'off'].includes(word)) return false;
        throw wrong('is neither true nor false');
      },
      list() {
        if (!isSeq(node)) throw wrong('is no list');
        return node.items.map((item, at) => valueAt(item, `${field}[${at}]`));
      },
      fields() {
        if (!isMap(node)) throw wrong('is no mapping of names to values');
        return fieldsOf(node, field, valueAt);
      },
    };
  };
  return valueAt(document.contents, '');
}

/** What each alias stands for. The library would search the whole file for each of them. */
function aliasTargets(document: Document): ReadonlyMap<Alias, Node> {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  visit(document, {
    Node(_key, node) {
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        if (target !== undefined) targets.set(node, target);
      } else if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
  });
  return targets;
}

/** `<<` brings fields of other mappings, which those of the mapping itself override. */
function fieldsOf(
  node: Node,
  field: string,
  valueAt: (given: unknown, field: string, cost?: number) => Value,
): ReadonlyMap<string, Value> {
  const own = new Map<string, Value>();
  const merged = new Map<string, Value>();
  if (!isMap(node)) return own;
  for (const { key, value } of node.items) {
    const name = isScalar(key) ? (typeof key.value === 'string' ? key.value : key.source) : '';
    if (name === undefined) continue;
    if (name === '<<') {
      const given = valueAt(value, field, MERGE_COST);
      for (const each of given.isList ? given.list() : [given]) {
        for (const [inner, found] of each.fields()) {
          if (!merged.has(inner)) merged.set(inner, found);
        }
      }
      continue;
    }
    if (value === null || (isScalar(value) && value.value === null)) continue;
    own.set(name, valueAt(value, field === '' ? name : `${field}.${name}`));
  }
  return new Map([...merged, ...own]);
}

/** A text or a list of texts. */
export function textsOf(value: Value | undefined): readonly string[] {
  if (value === undefined) return [];
  return value.isList ? value.list().map((each) => each.text()) : [value.text()];
}
