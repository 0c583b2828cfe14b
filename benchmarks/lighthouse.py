"""Lighthouse on the built site, served compressed as GitHub Pages does: python benchmarks/lighthouse.py LIGHTHOUSE [PAGE ...]

LIGHTHOUSE is its command, installed by `npm install lighthouse@12.8.2` (node_modules/.bin/lighthouse). Each page is looked at
five times on a phone and on a desktop, or RUNS times; printed are the medians. Chromium must be there; an idle machine too.
"""

import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
from functools import cache
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(os.environ.get("SITE", Path(__file__).parents[1] / "_build/html"))
PAGES = ["index", "losses", "remedies", "two-objectives", "full-rank", "api", "after-the-paper", "ledger/full-rank"]
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
AUDITS = ("first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift")
COMPRESSED = (".html", ".css", ".js", ".svg", ".json")
BAR = 95


@cache
def compressed(path):
    return gzip.compress(Path(path).read_bytes())


class Compressed(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.translate_path(self.path)
        if not path.endswith(COMPRESSED) or not Path(path).is_file():
            return super().do_GET()
        body = compressed(path)
        self.send_response(200)
        for name, value in {"Content-Type": self.guess_type(path), "Content-Encoding": "gzip", "Content-Length": len(body),
                            "Cache-Control": "max-age=600"}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing: the table is all that is printed."""


def look(lighthouse, url, device):
    """Scores of one run, 0 to 100, and what performance is made of, in milliseconds."""
    options = ["--preset=desktop"] if device == "desktop" else []
    done = subprocess.run([lighthouse, url, "--quiet", "--output=json", "--chrome-flags=--headless=new --no-sandbox", *options],
                          check=True, capture_output=True, text=True, encoding="utf-8",
                          env=os.environ | {"CHROME_PATH": os.environ.get("CHROME_PATH") or shutil.which("chromium") or ""})
    report = json.loads(done.stdout)
    return ([100 * report["categories"][name]["score"] for name in CATEGORIES]
            + [report["audits"][name]["numericValue"] for name in AUDITS])


def main(lighthouse, *pages):
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: Compressed(*args, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("| page | on a | " + " | ".join([*CATEGORIES, *(f"{name}, ms" for name in AUDITS[:3]), AUDITS[3]]) + " |")
    print("|---" * (2 + len(CATEGORIES) + len(AUDITS)) + "|")
    worst = 100
    for page in pages or PAGES:
        for device in ("phone", "desktop"):
            runs = [look(lighthouse, f"http://127.0.0.1:{server.server_port}/book/{page}.html", device)
                    for _ in range(int(os.environ.get("RUNS", 5)))]
            found = [statistics.median(values) for values in zip(*runs)]
            worst = min(worst, *found[:len(CATEGORIES)])
            print(f"| {page} | {device} | " + " | ".join(f"{value:.0f}" for value in found[:-1]) + f" | {found[-1]:.3f} |", flush=True)
    server.shutdown()
    sys.exit(f"below {BAR}" if worst < BAR else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
