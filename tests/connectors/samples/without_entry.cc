// Is a shared object, and no connector.
extern "C" __attribute__((visibility("default"))) int sample_something_else(void);
int sample_something_else(void) { return 1; }
