import { render } from 'preact';
import { connect } from './app.ts';
import { listenForKeys } from './keys.ts';
import { openEitherLink } from './link/either-link.ts';
import { openHubLink } from './link/hub-link.ts';
import { Page } from './view/page.tsx';
import './style/tokens.css';
import './style/page.css';
import './style/views.css';

const token = new URLSearchParams(location.search).get('token') ?? '';
const url = new URL(`page?token=${encodeURIComponent(token)}`, location.href);
url.protocol = 'ws:';
const other: Window | null = window.parent === window ? window.opener : window.parent;

connect((listener) => (other ? openEitherLink(url.href, other, listener) : openHubLink(url.href, listener)));
listenForKeys();
const app = document.getElementById('app');
if (app) render(<Page />, app);
