# What every transcript begins with: two releases of one product, and an engine that knows them. Sourced by each.
export FLEETFN_USER=ann
WAIT=${WAIT:-60}

# until_is WHAT COMMAND...: waits until a command succeeds.
until_is() {
    what=$1
    shift
    end=$((SECONDS + WAIT))
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $end ]; then echo "$what: not within $WAIT seconds"; return 1; fi
        sleep 0.1
    done
}

# serve: starts the engine, where it was before if it ran before; by the real time, or by a clock that begins at CLOCK.
serve() {
    fleetfn serve --mqtt "127.0.0.1:${MQTT:-0}" --http 127.0.0.1:0 ${CLOCK:+--clock $CLOCK} >serve.out 2>>serve.log &
    ENGINE=$!
    until_is "the engine is ready" grep -q ready serve.out
    MQTT=$(sed -n 's/.*mqtt=127.0.0.1:\([0-9]*\).*/\1/p' serve.out)
}

# kill9: ends the engine as hard as it goes, and starts it again.
kill9() {
    kill -9 $ENGINE
    wait $ENGINE 2>/dev/null
    >serve.out
    serve
}

# at TIME: the engine is killed, and begins again at that time.
at() {
    CLOCK=$1
    kill9
}

# devices PREFIX COUNT [UPDATES [MORE]]: simulated devices, which update within a second unless UPDATES says otherwise.
MESSAGE='{"channel": "t", "every": "500ms", "payload": {"n": {"$counter": {}}}}'
QUICK='"restart": "100ms", "trial": "200ms"'
devices() {
    cat >"$1.json" <<JSON
{"groups": [{"devices": $2, "prefix": "$1", "product": "fan", "class": "m3",
  "messages": [$MESSAGE], ${4:-}
  "updates": {${3:-$QUICK}}}]}
JSON
    fleetfn sim --scenario "$1.json" --register --tokens "$1.tokens" --for 10m >"$1.out" 2>"$1.err" &
    FLEET=$!
    until_is "devices are connected" grep -q "connected=$2/$2" "$1.out"
    until_is "devices have said what they run" reported "$1-$2"
}

# vanish: the devices that came last are gone, as if they had lost power.
vanish() {
    kill -9 $FLEET
    wait $FLEET 2>/dev/null
    true
}

reported() { fleetfn device get "$1" -o json | grep -q '"reported": {'; }

# heard_after DEVICE TIME: whether the device was heard after that time, as the engine's clock shows it.
heard_after() {
    seen_ms=$(fleetfn device get "$1" -o json | sed -n 's/.*"seen_at_ms": \([0-9]*\).*/\1/p')
    [ "$seen_ms" -gt "$(date -d "$2" +%s)000" ]
}

# is ROLLOUT STATE: whether it is there, such as running or held.
is() { fleetfn rollout status "$1" -o json | grep -q "\"state\": \"$2\""; }

# comes_to ROLLOUT STATE: waits for that.
comes_to() { until_is "rollout $1 is $2" is "$1" "$2" || fleetfn rollout status "$1"; }

# policy: keeps the policy that it is given.
policy() { cat >policy.json; }

fleetfn release keygen signer.key >/dev/null 2>&1
for number in 2 3; do
    head -c 4000 /dev/zero | tr '\0' $number >image-$number
    fleetfn release sign image-$number --product fan --class m3 --version 1.$number.0 --sequence $number \
        --key signer.key >/dev/null 2>&1
done
serve
fleetfn release key add fan signer.key.pub >/dev/null
for number in 2 3; do fleetfn release publish image-$number.signed image-$number >/dev/null; done
