#!/bin/sh
# deploy/install/train.sh PYTHON: installs the extra `train` for the tests of training, where PyTorch can be had without
# CUDA, which is gigabytes; else says in one line that those tests are left out. Never fails.
cd "$(dirname "$0")/../.." || exit 0
python=$1
torch=$(sed -n 's/^ *"\(torch==[^"]*\)".*/\1/p' pyproject.toml)
pytorch_org="--extra-index-url https://download.pytorch.org/whl/cpu"
said=$(mktemp)
trap 'rm -f "$said"' EXIT

comes_small() {
    "$python" -m pip install --dry-run --timeout 10 --retries 0 "$@" "$torch" >"$said" 2>/dev/null && ! grep -qiE "nvidia|cuda" "$said"
}

install() {
    "$python" -m pip install --quiet --disable-pip-version-check "$@" >"$said" 2>&1
}

left_out="the tests of training are left out; to have them: $python -m pip install -e '.[train]'"
if comes_small; then
    from=
elif comes_small $pytorch_org; then
    from=$pytorch_org
else
    echo "PyTorch cannot be had here without CUDA: $left_out"
    exit 0
fi
echo "installing the packages of the extra train; make test TRAIN=no goes without them"
install $from "$torch" && install -e '.[train]' && exit 0
tail -n 1 "$said"
echo "the extra train cannot be installed here: $left_out"
exit 0
