;; effect: Command { name: b"reboot", payload: b"now", ttl_s: 60, timeout_s: 30 }
(drop (call $command_await `reboot` `now` (i32.const 60) (i32.const 30)))
---
;; ends: seconds
;; says: the time that a reply may take is 1 to
(drop (call $command_await `reboot` `` (i32.const 0) (i32.const 0)))
---
;; ends: command
;; says: 'a/b' is no command name
(drop (call $command_await `a/b` `` (i32.const 0) (i32.const 1)))
---
;; event: message
;; ends: command
;; says: not about a device
(drop (call $command_await `reboot` `` (i32.const 0) (i32.const 1)))
---
;; ends: pointer
(drop (call $command_await `reboot` (i32.const 65530) (i32.const 7) (i32.const 0) (i32.const 1)))
---
;; grants: none
;; ends: grant
;; says: does not ask for commands
(drop (call $command_await `reboot` `` (i32.const 0) (i32.const 1)))
