gateway_fuzz(jwt SOURCES jwt_fuzz.cc CORPUS tests/fuzz/corpus/jwt LINK gateway_auth)
