#!/usr/bin/env bash
# Opens a tuning report in a headless Chromium and checks what its script adds: report-browser.sh REPORT.html.
# Where there is no Chromium it says so and succeeds; CHROMIUM names one that is not on the path.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 REPORT.html" >&2; exit 2; }
report=$(realpath "$1")
[ -f "$report" ] || { echo "there is no file $1" >&2; exit 2; }
browser=${CHROMIUM:-}
for name in chromium chromium-browser google-chrome chrome headless_shell; do
    [ -n "$browser" ] || browser=$(command -v "$name" || true)
done
if [ -z "$browser" ]; then
    echo "skipped: no Chromium here (set CHROMIUM to the program)"
    exit 0
fi
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
# Nobody is served by a sandbox around a page that loads nothing, and as root Chromium refuses to have one.
open=(timeout 60 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$profile" --virtual-time-budget=5000 --dump-dom)
fail() { echo "failed: $*" >&2; exit 1; }
count() { grep -o "$1" <<<"$2" | wc -l; }

plain=$(<"$report")
layers=$(count '<article class="layer"' "$plain")
settings=$(count '<details class="setting"' "$plain")
page=$("${open[@]}" "file://$report" 2>/dev/null) || fail "$browser did not open the page"
grep -q '<html[^>]*class="scripted"' <<<"$page" || fail "the script has not run to its end"
grep -q 'id="tip"' <<<"$page" || fail "there is no tooltip"
[ "$(count '<option' "$page")" -eq "$layers" ] || fail "the choice of layers is not that of the page"
[ "$(count '<article class="layer"[^>]*hidden=""' "$page")" -eq $((layers - settings)) ] || fail "not one layer a setting is shown"
[ "$(count ' data-tip="' "$page")" -gt 0 ] || fail "marks have no tooltips"
# A link to the last layer of the first setting shows that one.
last=$(grep -o 'id="s0l[0-9]*"' <<<"$plain" | tail -n 1 | cut -d '"' -f 2)
page=$("${open[@]}" "file://$report#$last" 2>/dev/null) || fail "$browser did not open the page"
grep "<article class=\"layer\" id=\"$last\"" <<<"$page" | grep -qv 'hidden=""' || fail "a link to $last does not show it"
echo "ok: the script shows one of the layers in each of $settings settings, $layers layers in all"
