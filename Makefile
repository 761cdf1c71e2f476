# Two commands: make up, make test. Each line calls a script, where the work is done.

help: ## this list
	@sed -n 's/^\([a-z]*\): ## /  make \1 - /p' Makefile

up: ## start everything, in containers where Docker is, else as plain processes (DOCKER=no: in any case)
	@local/up

test: ## build and test everything on real servers, which are started and stopped for it
	@local/test

bench: ## measure what it costs, beside the limits of this machine (QUICK=1: in under 3 minutes)
	@bench/run

down: ## stop everything; the data stay
	@local/down

clean: ## stop everything and remove the data
	@local/clean

logs: ## follow the lines of the three programs
	@local/logs

psql: ## a session in the database
	@local/psql

.PHONY: help up test bench down clean logs psql
