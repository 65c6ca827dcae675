# A class on Temporal Cloud: namespaces, Nexus endpoints and an API key for each learner. `instructor/cluster.md` shows
# how to use it; `terraform destroy` removes all of it.

terraform {
  required_providers {
    temporalcloud = {
      source  = "temporalio/temporalcloud"
      version = ">= 1.1"
    }
  }
}

provider "temporalcloud" {} # reads TEMPORAL_CLOUD_API_KEY

variable "region" {
  default = "aws-us-east-1"
}

variable "ends" {
  description = "When the learners' keys expire, such as 2027-01-31T18:00:00Z."
  type        = string
}

variable "namespaces" {
  description = "The learner whose namespace it is, by the namespace's name."
  type        = map(string)
}

variable "endpoints" {
  type = map(object({ namespace = string, task_queue = string, callers = list(string) }))
}

resource "temporalcloud_namespace" "own" {
  for_each       = var.namespaces
  name           = each.key
  regions        = [var.region]
  api_key_auth   = true
  retention_days = 1
}

resource "temporalcloud_nexus_endpoint" "own" {
  for_each = var.endpoints
  name     = each.key
  worker_target = {
    namespace_id = temporalcloud_namespace.own[each.value.namespace].id
    task_queue   = each.value.task_queue
  }
  allowed_caller_namespaces = [for name in each.value.callers : temporalcloud_namespace.own[name].id]
}

# A learner's key opens this learner's namespaces, and no others.
resource "temporalcloud_service_account" "learner" {
  for_each       = toset(values(var.namespaces))
  name           = each.key
  account_access = "read"
  namespace_accesses = [
    for name, learner in var.namespaces :
    { namespace_id = temporalcloud_namespace.own[name].id, permission = "write" } if learner == each.key
  ]
}

resource "temporalcloud_apikey" "learner" {
  for_each     = temporalcloud_service_account.learner
  display_name = each.key
  owner_type   = "service-account"
  owner_id     = each.value.id
  expiry_time  = var.ends
}

output "keys" {
  value     = { for learner, key in temporalcloud_apikey.learner : learner => key.token }
  sensitive = true
}
