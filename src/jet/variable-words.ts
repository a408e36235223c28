import type { EncryptedValue, NamedValue, VariableWords } from './definition.ts';
import { textsOf, type Value } from './document.ts';

type Fields = ReadonlyMap<string, Value>;

/** The variables of a service's containers. */
export function environmentOf(fields: Fields): VariableWords {
  return {
    plain: plainValues(fields.get('environment')),
    files: each(fields.get('env_file')),
    encrypted: encryptedValues(fields.get('encrypted_environment')),
    encryptedFiles: each(fields.get('encrypted_env_file')),
  };
}

/** The arguments of a build. */
export function argumentsOf(fields: Fields): VariableWords {
  return {
    plain: plainValues(fields.get('args')),
    files: [],
    encrypted: encryptedValues(fields.get('encrypted_args')),
    encryptedFiles: each(fields.get('encrypted_args_file')),
  };
}

function each(value: Value | undefined): readonly Value[] {
  if (value === undefined) return [];
  const values = value.isList ? value.list() : [value];
  for (const one of values) if (one.text() === '') throw one.wrong('is empty');
  return values;
}

function plainValues(value: Value | undefined): readonly NamedValue[] {
  if (value === undefined) return [];
  if (value.isMap) {
    return [...value.fields()].map(([name, given]) => {
      checkName(name, given);
      return { name, value: given.text() };
    });
  }
  return textsOf(value).map((text) => {
    const [name = ''] = text.split('=', 1);
    checkName(name, value);
    return { name, value: text.includes('=') ? text.slice(name.length + 1) : undefined };
  });
}

function encryptedValues(value: Value | undefined): readonly EncryptedValue[] {
  if (value === undefined) return [];
  if (value.isMap) {
    return [...value.fields()].map(([name, given]) => {
      checkName(name, given);
      return { name, value: given, text: given.text() };
    });
  }
  return each(value).map((given) => {
    const text = given.text();
    // Base64 ends in one or two = and has none inside.
    const [, name, encrypted] = /^([A-Za-z_][A-Za-z0-9_]*)=([^=].*)$/s.exec(text) ?? [];
    if (name === undefined || encrypted === undefined) return { value: given, text };
    return { name, value: given, text: encrypted };
  });
}

function checkName(name: string, where: Value): void {
  if (name === '' || /[\s=\0]/.test(name)) {
    throw where.wrong(`has ${JSON.stringify(name)}, which is no name of a variable`);
  }
}
