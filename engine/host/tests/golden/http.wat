;; A request in the bytes that `HttpRequest` documents.
;; effect: Http { tag: b"alarm", request: b"\x05\0\x04\0\0\0POST%\0\0\0https://api.example.com/v1/alarms?a=b\x02\0\0\0\x0c\0\0\0Content-Type\x10\0\0\0application/json\r\0\0\0Authorization\x1b\0\0\0Bearer {{secret:api-token}}{}" }
(drop (call $http `alarm` `POST` `https://api.example.com/v1/alarms?a=b` `Content-Type: application/json\nAuthorization: Bearer {{secret:api-token}}\n` `{}` (i32.const 5)))
---
;; What is asked for is what was compared: in one form, without a fragment.
;; effect: Http { tag: b"a", request: b"<\0\x03\0\0\0GET\x1b\0\0\0https://api.example.com/v1/\0\0\0\0" }
(drop (call $http `a` `GET` `HTTPS://API.example.com:443/v2/../v1/#top` `` `` (i32.const 60)))
---
;; ends: grant
;; says: grants no HTTP request to 'https://api.example.com/v2/a'
(drop (call $http `a` `GET` `https://api.example.com/v1/../v2/a` `` `` (i32.const 5)))
---
;; ends: grant
(drop (call $http `a` `GET` `http://api.example.com/v1/` `` `` (i32.const 5)))
---
;; ends: grant
(drop (call $http `a` `GET` `https://api.example.com:444/v1/` `` `` (i32.const 5)))
---
;; ends: grant
(drop (call $http `a` `GET` `https://api.example.com/v1` `` `` (i32.const 5)))
---
;; ends: url
;; says: it holds credentials
(drop (call $http `a` `GET` `https://api.example.com@evil.org/v1/` `` `` (i32.const 5)))
---
;; ends: url
;; says: visible ASCII
(drop (call $http `a` `GET` `https://api.example.com/v1/\n` `` `` (i32.const 5)))
---
;; ends: url
;; says: neither http nor https
(drop (call $http `a` `GET` `file:///etc/passwd` `` `` (i32.const 5)))
---
;; ends: url
;; says: no absolute URL
(drop (call $http `a` `GET` `/v1/` `` `` (i32.const 5)))
---
;; ends: url
;; says: not UTF-8
(drop (call $http `a` `GET` `\ff` `` `` (i32.const 5)))
---
;; ends: url
;; says: too long
(memory.fill (i32.const 4096) (i32.const 0x61) (i32.const 2049))
(drop (call $http `a` `GET` (i32.const 4096) (i32.const 2049) `` `` (i32.const 5)))
---
;; ends: http-method
;; says: 'GET /'
(drop (call $http `a` `GET /` `https://api.example.com/v1/` `` `` (i32.const 5)))
---
;; ends: http-method
(drop (call $http `a` `CONNECT` `https://api.example.com/v1/` `` `` (i32.const 5)))
---
;; ends: http-method
(drop (call $http `a` `\ff` `https://api.example.com/v1/` `` `` (i32.const 5)))
---
;; ends: http-header
;; says: the header 'a b' cannot be sent: its name is no token
(drop (call $http `a` `GET` `https://api.example.com/v1/` `a b: c` `` (i32.const 5)))
---
;; ends: http-header
;; says: the header 'Content-Length' cannot be sent: it belongs to the connection
(drop (call $http `a` `GET` `https://api.example.com/v1/` `Content-Length: 0` `` (i32.const 5)))
---
;; ends: http-header
;; says: visible ASCII
(drop (call $http `a` `GET` `https://api.example.com/v1/` `a: b\0dc: d` `` (i32.const 5)))
---
;; ends: http-header
;; says: not UTF-8
(drop (call $http `a` `GET` `https://api.example.com/v1/` `a: \ff` `` (i32.const 5)))
---
;; ends: http-header
;; says: at most 8192 are allowed
(memory.fill (i32.const 4096) (i32.const 0x61) (i32.const 8193))
(drop (call $http `a` `GET` `https://api.example.com/v1/` (i32.const 4096) (i32.const 8193) `` (i32.const 5)))
---
;; ends: grant
;; says: does not ask for the secret 'other'
(drop (call $http `a` `GET` `https://api.example.com/v1/` `a: {{secret:other}}` `` (i32.const 5)))
---
;; ends: seconds
;; says: the time that a request may take is 1 to 60 seconds, not 61
(drop (call $http `a` `GET` `https://api.example.com/v1/` `` `` (i32.const 61)))
---
;; ends: seconds
(drop (call $http `a` `GET` `https://api.example.com/v1/` `` `` (i32.const 0)))
---
;; ends: name
;; says: '' is no name of a tag
(drop (call $http `` `GET` `https://api.example.com/v1/` `` `` (i32.const 5)))
---
;; ends: payload
(drop (memory.grow (i32.const 1)))
(drop (call $http `a` `GET` `https://api.example.com/v1/` `` (i32.const 0) (i32.const 65537) (i32.const 5)))
---
;; ends: pointer
(drop (call $http `a` `GET` `https://api.example.com/v1/` (i32.const 65536) (i32.const 1) `` (i32.const 5)))
---
;; grants: none
;; ends: grant
(drop (call $http `a` `GET` `https://api.example.com/v1/` `` `` (i32.const 5)))
