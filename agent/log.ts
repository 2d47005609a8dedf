/**
 * The log: our own small interface, with pino behind it. A terminal gets lines for people, everything else may have JSON
 * (`--log-format json`). Written synchronously, so that the last line before an end is there to be read.
 */
import { writeSync } from 'node:fs';
import { pino, type Logger as Pino } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export const LOG_FORMATS = ['human', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export type LogFields = Readonly<Record<string, unknown>>;

/** The message is a constant phrase; what varies goes into the fields. An Error belongs in the field `err`. */
export interface Logger {
  trace(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Takes whole lines; standard error when absent. */
  readonly write?: (line: string) => void;
  /** Colours in human lines. */
  readonly colour?: boolean;
}

export function createLogger(options: LogOptions): Logger {
  const write = options.write ?? writeStandardError;
  const sink = options.format === 'json' ? write : (line: string) => write(humanLine(line, options.colour ?? false));
  // Level names instead of pino's numbers: what a person greps for.
  const formatters = { level: (label: string) => ({ level: label }) };
  return wrap(pino({ level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters }, { write: sink }));
}

export const silentLogger: Logger = createLogger({ level: 'silent', format: 'json', write: () => undefined });

function wrap(log: Pino): Logger {
  return {
    trace: (message, fields) => log.trace(fields ?? {}, message),
    debug: (message, fields) => log.debug(fields ?? {}, message),
    info: (message, fields) => log.info(fields ?? {}, message),
    warn: (message, fields) => log.warn(fields ?? {}, message),
    error: (message, fields) => log.error(fields ?? {}, message),
    child: (fields) => wrap(log.child({ ...fields })),
  };
}

/** A reader that is gone or full must not take the agent with it: the line is lost. */
function writeStandardError(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // EPIPE, EIO (the terminal was closed), EAGAIN (a non-blocking pipe that nobody reads).
  }
}

const COLOURS: Readonly<Record<string, string>> = { trace: '90', debug: '90', info: '32', warn: '33', error: '31' };

/** `12:34:56.789 info  task started service=vote task=1a2b…`; an error's stack on lines of its own. Exported for its test. */
export function humanLine(json: string, colour: boolean): string {
  const { time, level, msg, err, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const name = String(level).padEnd(5);
  const shownLevel = colour ? `\u001b[${COLOURS[String(level)] ?? '0'}m${name}\u001b[0m` : name;
  const parts = [String(time).slice(11, 23), shownLevel, String(msg), ...Object.entries(fields).map(([key, value]) => `${key}=${fieldText(value)}`)];
  return `${parts.join(' ')}${errorText(err)}\n`;
}

function fieldText(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  return value === '' || /[\s"=\u0000-\u001f]/.test(value) ? JSON.stringify(value) : value;
}

function errorText(err: unknown): string {
  if (err === undefined) return '';
  const { type, message, stack } = (err ?? {}) as { type?: unknown; message?: unknown; stack?: unknown };
  const text = typeof stack === 'string' ? stack : typeof message === 'string' ? `${String(type)}: ${message}` : JSON.stringify(err);
  return '\n  ' + text.split('\n').map((line) => line.trim()).join('\n  ');
}
