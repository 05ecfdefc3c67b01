/* bcryptprimitives.dll for a wine that lacks it: Go asks Windows for random bytes here. */
__declspec(dllimport) unsigned char __stdcall SystemFunction036(void *, unsigned long);
__declspec(dllexport) int __stdcall ProcessPrng(void *data, unsigned long long length) { return SystemFunction036(data, (unsigned long)length); }
