"""Tasks on the request path: where their requests go, and why.

resolved_config   the configuration with policy overrides, policies and timeouts
policies          policies of tasks and prices of models
decision_table    decisions over policies: the look-up of every request
decision_feed     event feed of decisions
eviction_log      the latest evictions of tasks
prompt_words      the words of a system prompt that its application wrote
prompt_template   one template of system prompts, in hashes
prompt_templates  tasks of requests without a tag, by the template of their system prompts
task_directory    display names of tasks, and where the requests of merged ones go
"""
