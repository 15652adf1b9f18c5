gateway_fuzz(toml SOURCES toml_fuzz.cc CORPUS tests/fuzz/corpus/toml LINK gateway_settings)
