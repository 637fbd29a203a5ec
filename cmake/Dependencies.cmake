# The libraries of docs/architecture.md, each as dep::NAME. Their Debian
# packages stand in the table of ./cohort: a new line here needs one there.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# co_dependency(NAME MODULE...): the first module that is found.
function(co_dependency name)
  pkg_search_module(${name} REQUIRED IMPORTED_TARGET ${ARGN})
  add_library(dep::${name} ALIAS PkgConfig::${name})
endfunction()

co_dependency(zmq "libzmq>=4.3.4")
co_dependency(msgpack "msgpack>=4.0.0" "msgpack-c>=4.0.0") # renamed in 6
co_dependency(hiredis "hiredis>=0.14")
co_dependency(jansson "jansson>=2.13")
co_dependency(yaml "yaml-0.1>=0.2.5")
co_dependency(zstd "libzstd>=1.5")
co_dependency(xxhash "libxxhash>=0.8")
co_dependency(zlib "zlib")
co_dependency(curl "libcurl>=7.87")
co_dependency(crypt "libxcrypt" "libcrypt")
co_dependency(microhttpd "libmicrohttpd>=0.9.75")
