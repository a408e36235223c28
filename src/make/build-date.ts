import { SlipwayError } from '../errors.ts';

/** True for a day that the calendar has, as `YYYYMMDD`. */
export function isBuildDate(text: string): boolean {
  const [, year = '', month = '', day = ''] = /^([0-9]{4})([0-9]{2})([0-9]{2})$/.exec(text) ?? [];
  if (year === '') return false;
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`);
  return !Number.isNaN(date.valueOf()) && asBuildDate(date) === text;
}

/** A day in UTC as `YYYYMMDD`. */
export function asBuildDate(date: Date): string {
  return date.toISOString().slice(0, 10).replaceAll('-', '');
}

/** @throws SlipwayError `USAGE` */
export function checkBuildDate(text: string): string {
  if (isBuildDate(text)) return text;
  throw new SlipwayError('USAGE', `BUILDDATE ${JSON.stringify(text)} is no date`, {
    hint: 'write it as YYYYMMDD, for example 20250619',
  });
}
