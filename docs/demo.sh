#!/bin/sh
# The main job end to end: photographs -> TFRecords -> check -> train -> export -> predict. `make demo` runs it.
#   PY    the Python of an environment with what requirements/dev.txt lists
#   OUT   where everything goes
#   DATA  a folder of photographs, one directory a class; drawn ones where empty
set -eu

rm -rf "$OUT"
say() { printf '\n== %s\n' "$*"; }
run() { printf '$ python %s\n' "$*"; "$PY" "$@"; }

# Six image files, from all over a folder, a line each.
choose() {
    find -L "$1" -type f ! -path '*/.*' \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' \) | sort |
        awk '{ line[NR] = $0 } END { n = NR < 6 ? NR : 6; for (i = 0; i < n; i++) print line[int(i * NR / n) + 1] }'
}

if [ -n "$DATA" ]; then
    set -- --source folder --input "$DATA"
    photos=$(choose "$DATA")
    size=96 epochs=12
else
    say "A few photographs to predict later, drawn with another seed"
    run -m etl.sources.synthetic "$OUT/photos" --num_images 10 --seed 4321
    set -- --source synthetic --num_images 1000
    photos=$(choose "$OUT/photos")
    size=96 epochs=12
fi

say "1. Photographs in, sharded TFRecords out (some of the drawn ones are broken on purpose)"
run -m etl.run "$@" --output "$OUT/data" --variants jpeg,pixel --image_size "$size" --seed 7 --overwrite

say "2. Is the data set whole, and what is in it?"
run -m etl.inspect "$OUT/data"

say "3. Train, keep the best model, evaluate, export"
run -m trainer.task --data_dir "$OUT/data" --variant pixel --output_dir "$OUT/run" --model cnn \
    --num_epochs "$epochs" --batch_size 32 --seed 1

say "4. Ask the exported model about photographs"
# Split at the ends of lines alone, and taken as they are: names hold spaces and brackets.
IFS='
'
set -f
# shellcheck disable=SC2086
set -- $photos
unset IFS
if [ $# -gt 0 ]; then
    run -m trainer.predict "$OUT/run/model" "$@"
else
    echo "there is no .jpg, .jpeg or .png file in $DATA to ask about"
fi

say "To look at"
find "$OUT" -name '*.png' | sort
