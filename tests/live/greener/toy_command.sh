# A command for tests: toy_command.sh FOLDER STEPS CODE
# counts, writes each step to FOLDER/log, and ends with CODE after so many steps, or once there is FOLDER/enough; saves
# and exits with 85 at SIGUSR1, and goes on from there.
folder=$1 steps=$2 code=$3 asked='' step=0
trap 'asked=1' USR1
trap 'exit 7' INT
[ -f "$folder/saved" ] && read -r step <"$folder/saved"
echo "pid $$" >>"$folder/log"
while [ "$step" -lt "$steps" ] && [ ! -f "$folder/enough" ]; do
    sleep 0.02
    step=$((step + 1))
    echo "step $step" >>"$folder/log"
    if [ -n "$asked" ]; then
        echo "$step" >"$folder/saved"
        exit 85
    fi
done
exit "$code"
