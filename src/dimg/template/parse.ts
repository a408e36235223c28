import { lexTemplate, type Piece, templateProblem, type Word } from './lex.ts';

/** What stands in a template. */
export type TemplateNode =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'output'; readonly pipeline: Pipeline }
  | {
      readonly kind: 'if' | 'with' | 'range';
      readonly pipeline: Pipeline;
      readonly then: readonly TemplateNode[];
      readonly otherwise: readonly TemplateNode[];
    }
  | {
      readonly kind: 'template';
      readonly name: string;
      readonly pipeline: Pipeline | undefined;
      readonly line: number;
    };

/** Commands, each of which gets what the one before gives as its last argument. */
export interface Pipeline {
  readonly commands: readonly Command[];
  /** variables that get its value; `:=` makes them */
  readonly variables: readonly string[];
  readonly isNew: boolean;
  readonly line: number;
}

export type Command = readonly Operand[];
export type Operand = Exclude<Word, { readonly kind: 'sign' }> | Group;
interface Group {
  readonly kind: 'group';
  readonly pipeline: Pipeline;
}

/** A parsed file: what it says itself, and the templates that it defines. */
export interface Template {
  readonly nodes: readonly TemplateNode[];
  readonly defined: ReadonlyMap<string, readonly TemplateNode[]>;
}

const MAX_DEPTH = 100;

/** @throws SlipwayError `CONFIG_INVALID` with file and line */
export function parseTemplate(file: string, text: string): Template {
  const pieces = lexTemplate(file, text);
  const defined = new Map<string, readonly TemplateNode[]>();
  let at = 0;
  const wrong = (line: number, message: string) => templateProblem(file, line, message);

  /** Reads up to an `end` or `else` of the block that began at `opened`. */
  const block = (opened: number | undefined, depth: number) => {
    const nodes: TemplateNode[] = [];
    for (let piece = pieces[at]; piece !== undefined; piece = pieces[at]) {
      at++;
      if (piece.kind === 'text') {
        nodes.push(piece);
        continue;
      }
      const { words, line } = piece;
      if (depth > MAX_DEPTH) throw wrong(line, 'actions are too deep in each other');
      const [first, ...rest] = words;
      const keyword = first?.kind === 'name' ? first.value : '';
      if (keyword === 'end' || keyword === 'else') {
        if (opened === undefined) throw wrong(line, `${keyword} belongs to nothing`);
        return { nodes, closer: keyword, rest, line };
      }
      const node = action(piece, keyword, rest, depth);
      if (node !== undefined) nodes.push(node);
    }
    if (opened !== undefined) throw wrong(opened, 'a block has no {{ end }}');
    return { nodes, closer: '', rest: [], line: 0 };
  };

  const action = (
    { words, line }: Extract<Piece, { kind: 'action' }>,
    keyword: string,
    rest: readonly Word[],
    depth: number,
  ): TemplateNode | undefined => {
    const name = rest[0]?.kind === 'string' ? rest[0].value : undefined;
    switch (keyword) {
      case 'if':
      case 'with':
      case 'range':
        return branches(keyword, rest, line, depth);
      case 'define': {
        if (name === undefined) throw wrong(line, 'define should have a name in quotes');
        const { nodes, closer } = block(line, depth + 1);
        if (closer !== 'end') throw wrong(line, 'define has no else');
        defined.set(name, nodes);
        return undefined;
      }
      case 'template': {
        if (name === undefined) throw wrong(line, 'template should have a name in quotes');
        const given = rest.slice(1);
        const pipeline = given.length === 0 ? undefined : pipelineOf(given, line, wrong);
        return { kind: 'template', name, pipeline, line };
      }
      case 'block':
      case 'break':
      case 'continue':
        throw wrong(line, `${keyword} is not supported`);
      default:
        return { kind: 'output', pipeline: pipelineOf(words, line, wrong) };
    }
  };

  const branches = (
    kind: 'if' | 'with' | 'range',
    words: readonly Word[],
    line: number,
    depth: number,
  ): TemplateNode => {
    const pipeline = pipelineOf(words, line, wrong);
    const { nodes: then, closer, rest, line: at } = block(line, depth + 1);
    if (closer === 'end') return { kind, pipeline, then, otherwise: [] };
    const [next, ...more] = rest;
    if (next === undefined) {
      const { nodes: otherwise, closer: last } = block(line, depth + 1);
      if (last !== 'end') throw wrong(line, 'a block has two else');
      return { kind, pipeline, then, otherwise };
    }
    if (next.kind !== 'name' || next.value !== 'if' || kind !== 'if') {
      throw wrong(at, 'else stands alone, or with if');
    }
    return { kind, pipeline, then, otherwise: [branches('if', more, at, depth + 1)] };
  };

  return { nodes: block(undefined, 0).nodes, defined };
}

function pipelineOf(
  words: readonly Word[],
  line: number,
  wrong: (line: number, message: string) => Error,
): Pipeline {
  const assigned = words.findIndex((word) => word.kind === 'sign' && /^:?=$/.test(word.value));
  const variables = words.slice(0, Math.max(assigned, 0)).flatMap((word) => {
    if (word.kind === 'sign' && word.value === ',') return [];
    if (word.kind === 'path' && word.variable && word.fields.length === 0) return [word.variable];
    throw wrong(line, 'only variables can be set');
  });
  const sign = words[assigned];
  const isNew = sign?.kind === 'sign' && sign.value === ':=';
  let at = assigned + 1;
  const read = (isInside: boolean): readonly Command[] => {
    const commands: Operand[][] = [[]];
    for (let word = words[at]; word !== undefined; word = words[at]) {
      at++;
      const command = commands.at(-1) ?? [];
      if (word.kind !== 'sign') command.push(word);
      else if (word.value === '|') commands.push([]);
      else if (word.value === '(') {
        const inner = { commands: read(true), variables: [], isNew: false, line };
        command.push({ kind: 'group', pipeline: inner });
      } else if (word.value === ')' && isInside) return checked(commands);
      else throw wrong(line, `${word.value} is not expected here`);
    }
    if (isInside) throw wrong(line, 'a ( has no )');
    return checked(commands);
  };
  const checked = (commands: readonly Command[]): readonly Command[] => {
    if (commands.every((command) => command.length > 0)) return commands;
    throw wrong(line, 'an action says nothing');
  };
  return { commands: read(false), variables, isNew, line };
}
