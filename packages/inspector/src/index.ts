export { Command, Line, ToHub, ToPage, wireVersion } from './wire.ts';
