#!/usr/bin/env bash
# Watches a folder: bash file_watcher.sh FOLDER. Looks once a second and whenever it is asked; each file that is new or
# changed becomes a job of queue `files`, and `changes` answers what changed after the change of that number.
#
# All that it knows is in FOLDER.seen and FOLDER.changes, and one looks at a time: its replacement goes on where it was,
# also where both run for a moment.

folder=${1:?the folder to watch}
[[ -d $folder ]] || { echo "there is no folder \`$folder\`" >&2; exit 1; }
exec 9>>"$folder.changes"
touch "$folder.seen"

answer() { printf '{"id":%s,"result":%s}\n' "$id" "$1"; }
refuse() { printf '{"id":%s,"error":{"code":-32000,"message":"%s"}}\n' "$id" "$1"; }
lines() { local all; mapfile -t all <"$1"; echo "${#all[@]}"; }

# All files whose names can stand in JSON, each as `TIME,SIZE,INODE NAME`.
list() {
  find "$folder" -maxdepth 1 -type f ! -name $'*\n*' -printf '%T@,%s,%i %f\n' | LC_ALL=C.UTF-8 grep -ax '[^[:cntrl:]]*' | sort -k 2
}

# notice WHAT FILE
notice() {
  # Before the change is written down: a job that comes twice is better than one that does not come.
  [[ $1 == removed ]] || queue-work push --queue files --quiet -- cksum -- "$folder/$2" >&2 9>&-
  local name=${2//\\/\\\\}
  name=${name//\"/\\\"}
  printf '{"number":%s,"what":"%s","file":"%s"}\n' "$(($(lines "$folder.changes") + 1))" "$1" "$name" >&9
}

scan() {
  flock 9
  list >"$folder.now"
  if ! cmp -s "$folder.now" "$folder.seen"; then
    local -A seen=() now=()
    local entry file
    while IFS= read -r entry; do seen[${entry#* }]=${entry%% *}; done <"$folder.seen"
    while IFS= read -r entry; do
      file=${entry#* }
      now[$file]=1
      if [[ -z ${seen[$file]} ]]; then
        notice created "$file"
      elif [[ ${seen[$file]} != "${entry%% *}" ]]; then
        notice changed "$file"
      fi
    done <"$folder.now"
    for file in "${!seen[@]}"; do
      [[ -n ${now[$file]} ]] || notice removed "$file"
    done
    mv "$folder.now" "$folder.seen"
  fi
  flock -u 9
}

call() {
  [[ $1 =~ \"id\":([0-9]+) ]] && id=${BASH_REMATCH[1]}
  [[ $1 =~ \"name\":\"([a-z]+)\",\"args\":\[?([0-9]*) ]]
  local method=${BASH_REMATCH[1]} after=${BASH_REMATCH[2]:-0} changes
  scan
  case $method in
    files) answer "$(lines "$folder.seen")" ;;
    changes)
      mapfile -t changes <"$folder.changes"
      if ((after > ${#changes[@]})); then
        refuse "there are ${#changes[@]} changes so far, not $after"
      else
        changes=("${changes[@]:after:1000}")
        local IFS=,
        answer "[${changes[*]}]"
      fi ;;
  esac
}

printf '{"method":"ready","params":{"name":"file_watcher","version":"1.0.0","methods":{%s,%s}}}\n' \
  '"files":{"description":"How many files there are"}' \
  '"changes":{"params":{"type":"array","prefixItems":[{"type":"integer","minimum":0,"maximum":999999999}],"maxItems":1}}'
line=
while true; do
  IFS= read -r -t 1 part
  status=$?
  line+=$part # half a line, where the second is over
  if ((status > 128)); then
    scan
  elif ((status == 0)); then
    [[ $line == *'"method":"call"'* ]] && call "$line"
    line=
  else
    exit 0 # the end of the input
  fi
done
